"""Draw the picture of the README from the recorded results (run by `make record`)."""

from pathlib import Path

from neuroconverge import experiments, plotting

SHOWN = ["captions, MiniLM", "captions, MiniLM untrained", "categories", "silhouette", "pixels"]

table, _ = experiments.recorded("caption_rsa")
table = table[(table["method"] == "spearman") & table["model"].isin(SHOWN) & table["brain"].isin(["IT15", "EVC15"])]
table = table.sort_values("model", key=lambda names: names.map(SHOWN.index), kind="stable")
figure = plotting.score_plot(table.sort_values("brain", ascending=False, kind="stable"), grey=SHOWN[1:])
figure.savefig(Path(__file__).parents[1] / "book" / "_static" / "captions.png", dpi=144)
