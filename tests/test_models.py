"""Models: what they return, that it does not depend on batches, and what bad input gets."""

from __future__ import annotations

import functools
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import torch
from conftest import have
from PIL import Image
from skimage import data as photos

from neuroconverge import models
from neuroconverge.errors import BadInput, CacheError, DataUnavailable, UnknownName
from neuroconverge.models import convert

pytestmark = pytest.mark.usefixtures("one_thread")
TEXTS = [
    "A small brown dog sits on the grass.",
    "A puppy.",
    "The committee will vote on the new budget in March, after hearing from all of its members.",
    "Rain fell all night on the tin roof of the old house.",
    "Two people, one umbrella.",
]
IDS = ["minilm-l6", "smollm2-135m", "glove-50", "efficientnet-lite0"]


@pytest.fixture(scope="session")
def loaded():
    """Models by id, each loaded once."""

    return functools.cache(functools.partial(have, models.load))


@pytest.fixture(scope="session")
def pictures() -> list[np.ndarray]:
    """Real photographs of three shapes: a cup of espresso, a cat and an astronaut."""
    return [photos.coffee(), photos.chelsea(), photos.astronaut()]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROCONVERGE_CACHE", str(tmp_path))
    return tmp_path


def inputs_of(model, pictures: list) -> list:
    return pictures if model.info.kind == "vision" else TEXTS


def close(left: np.ndarray, right: np.ndarray, tolerance: float = 1e-5) -> bool:
    """Equal to a fraction of the largest value: hidden states are not on the scale of one."""
    return left.shape == right.shape and np.abs(left - right).max() <= tolerance * np.abs(right).max()


# --- registry


def test_looking_up_models_does_not_import_torch():
    code = "import sys, neuroconverge.models as m; m.info('glove-50'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_id_names_the_nearest():
    with pytest.raises(UnknownName, match="minilm-l6"):
        models.load("minilm-6")
    with pytest.raises(UnknownName, match="glove-50"):
        models.available("glove50")


def test_restricted_licence_is_shown_before_anything_is_fetched():
    with pytest.raises(BadInput, match=r"Gemma Terms of Use.*accept_terms=True"):
        models.load("gemma3-270m")


def test_registry_is_complete():
    for name in models.names():
        info = models.info(name)
        assert info.licence and info.citation and len(info.revision) == 12 and info.trained
        assert info.opt_in == (name == "gemma3-270m")


@pytest.mark.parametrize("name", [*IDS, "efficientnet-lite1", "efficientnet-lite2"])
def test_facts_are_those_of_the_network(name, loaded, pictures):
    model = loaded(name)
    assert model.info == models.info(name)
    assert model.embed(inputs_of(model, pictures)[:1]).shape == (1, model.info.dim)
    if name == "glove-50":
        assert model.table.size == model.info.parameters
        return
    assert sum(weight.numel() for weight in model.network.parameters()) == model.info.parameters
    extra = 3 if model.info.kind == "vision" else 1  # stem, head and logits; or the embedding
    assert len(model.layer_names) == model.info.layers + extra


def test_unusable_device(loaded):
    loaded("minilm-l6")
    with pytest.raises(BadInput, match="device: 'cuda:99'"):
        models.load("minilm-l6", device="cuda:99")


# --- every kind


@pytest.mark.parametrize("name", IDS)
def test_results_do_not_depend_on_batches_or_order(name, loaded, pictures):
    model = loaded(name)
    inputs = inputs_of(model, pictures)
    whole, vectors = model.layers(inputs), model.embed(inputs)
    assert list(whole) == model.layer_names
    assert vectors.dtype == np.float32 and np.isfinite(vectors).all()
    for size in (1, 2):
        assert close(model.embed(inputs, batch_size=size), vectors)
        for layer, values in model.layers(inputs, batch_size=size).items():
            assert values.dtype == np.float32 and close(values, whole[layer]), layer
    assert close(model.embed(inputs[::-1])[::-1], vectors)


@pytest.mark.parametrize("name", IDS)
def test_bad_input(name, loaded, pictures):
    model = loaded(name)
    good = inputs_of(model, pictures)[0]
    with pytest.raises(BadInput, match="empty list"):
        model.embed([])
    with pytest.raises(BadInput, match="pool: got 'max'"):
        model.layers([good], pool="max")
    with pytest.raises(BadInput, match="wanted a list"):
        model.embed("one text")
    with pytest.raises(BadInput, match=r"(texts|images)\[1\]: got int"):
        model.embed([good, 3])
    if model.info.kind != "vision":
        with pytest.raises(BadInput, match=r"texts\[1\]: got an empty text"):
            model.layers([good, "  "])


@pytest.mark.parametrize("name", [name for name in IDS if name != "smollm2-135m"])  # there, half a minute
def test_untrained_and_damaged_twins(name, loaded, pictures):
    model = loaded(name)
    inputs = inputs_of(model, pictures)[:2]
    before, state = model.embed(inputs), torch.get_rng_state()
    twins = [models.randomise(model, 3), models.degrade(model, 0.5, 3)]
    again = [models.randomise(model, 3), models.degrade(model, 0.5, 3)]
    assert torch.equal(torch.get_rng_state(), state)
    for twin, same in zip(twins, again, strict=True):
        assert np.array_equal(twin.embed(inputs), same.embed(inputs))
        assert not close(twin.embed(inputs), before, 0.01)
    assert not close(models.randomise(model, 4).embed(inputs), twins[0].embed(inputs), 0.01)
    assert close(models.degrade(model, 0, 3).embed(inputs), before)
    assert np.array_equal(model.embed(inputs), before)
    assert [twin.info.id for twin in twins] == [f"{name}+untrained3", f"{name}+noise0.5seed3"]
    assert [twin.info.trained for twin in twins] == [False, True]


def test_twins_refuse_bad_numbers(loaded):
    model = loaded("glove-50")
    for noise in (-1, float("nan"), float("inf")):
        with pytest.raises(BadInput, match="noise"):
            models.degrade(model, noise, 0)
    for seed in (-1, 0.5, True):
        with pytest.raises(BadInput, match="seed"):
            models.randomise(model, seed)


def test_loading_and_running_writes_nothing(loaded, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded("minilm-l6")
        models.load("minilm-l6").embed(TEXTS)
    assert capfd.readouterr() == ("", "")


# --- texts


def test_minilm_is_the_sentence_encoder_it_is_known_as(loaded):
    model = loaded("minilm-l6")
    found = model.embed(["This is an example sentence", *TEXTS])
    # As sentence-transformers prints it for this sentence.
    np.testing.assert_allclose(found[0, :4], [0.0676569, 0.0634959, 0.0487131, 0.0793050], atol=1e-6)
    for text, vector in zip(TEXTS, found[1:], strict=True):
        with torch.no_grad():
            mean = model.network(torch.tensor(model.check([text]))).last_hidden_state[0].mean(0).numpy()
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-6)
    dog, puppy, budget = found[1:4]
    assert dog @ puppy > 0.4 > 0.1 > dog @ budget


def test_pooling(loaded):
    model = loaded("minilm-l6")
    text = ["A puppy."]
    with torch.no_grad():
        states = model.network(torch.tensor(model.check(text)), output_hidden_states=True).hidden_states
    for pool, expected in (
        ("mean", states[3][0].mean(0)),
        ("cls", states[3][0, 0]),
        ("last", states[3][0, -1]),
    ):
        padded = model.layers([*text, TEXTS[2]], pool=pool)["layer3"][:1]
        assert close(padded, expected[None].numpy()), pool


def test_the_causal_begin_token_is_read_and_not_pooled(loaded):
    model = loaded("smollm2-135m")
    assert model.tokens(["A puppy."]) == [["<|im_start|>", "A", "Ġpuppy", "."]]
    with torch.no_grad():
        found = model.network.base_model(torch.tensor(model.check(["A puppy."])), output_hidden_states=True)
    middle = found.hidden_states[15][0]
    norms = middle.norm(dim=1)
    assert norms[0] > 50 * norms[1:].max()  # the constant that would drown the words
    pooled = model.layers(["A puppy."])
    assert close(pooled["layer15"][0], middle[1:].mean(0).numpy())
    assert np.array_equal(model.embed(["A puppy."]), pooled["layer30"])


def test_the_converted_causal_model_knows_english(loaded):
    model = loaded("smollm2-135m")

    ids = torch.tensor(model.check(["The capital of France is"]))
    with torch.no_grad():
        scores = model.network(ids).logits[0, -1]
    assert model.tokenizer.decode(scores.argmax()) == " Paris"


@pytest.mark.parametrize(("name", "words"), [("minilm-l6", 255), ("smollm2-135m", 8192)])
def test_text_longer_than_the_window(name, words, loaded):
    model = loaded(name)
    with pytest.raises(BadInput, match=rf"texts\[1\]: \d+ tokens, and {name} reads at most"):
        model.embed(["Fine.", "dog " * words])
    if name == "minilm-l6":
        assert model.embed(["dog " * 254]).shape == (1, 384)


def test_text_without_tokens(loaded):
    with pytest.raises(BadInput, match=r"texts\[1\].*nothing"):
        loaded("minilm-l6").embed(["Fine.", "\u200b"])


def test_glove(loaded):
    model = loaded("glove-50")
    king, queen, man, woman, table = model.vectors(["king", "queen", "man", "woman", "table"])

    def cosine(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    assert cosine(king, queen) > 0.7 > 0.4 > cosine(king, table)
    assert cosine(king - man + woman, queen) > 0.8
    words = model.tokens(["The woman\u2019s well-known, dog-shaped U.S. lamp!"])
    assert words == [["the", "woman", "s", "well-known", "dog", "shaped", "u.s", "lamp"]]
    assert model.missing(["The dog, Zzyzxqqj!", "A cat."]) == [["zzyzxqqj"], []]
    np.testing.assert_allclose(model.embed(["King, QUEEN"])[0], (king + queen) / 2, rtol=1e-6)
    with pytest.raises(BadInput, match=r"texts\[1\]: no word of 'zzyzxqqj'"):
        model.embed(["A cat.", "zzyzxqqj"])
    with pytest.raises(BadInput, match="lacks King"):
        model.vectors(["king", "King"])


# --- images


def test_padding_goes_to_the_end_as_in_tensorflow():
    from neuroconverge.models.vision import SameConv

    convolution = SameConv(1, 1, 3, stride=2)
    torch.nn.init.ones_(convolution.weight)
    assert convolution(torch.ones(1, 1, 4, 4))[0, 0].tolist() == [[9, 6], [6, 4]]


@pytest.mark.parametrize("size", [0, 1, 2])
def test_trained_networks_recognise_photographs(size, loaded, pictures):
    model = loaded(f"efficientnet-lite{size}")
    trained = torch.tensor(model.layers(pictures[:2])["logits"]).softmax(1)
    untrained = torch.tensor(models.randomise(model, 0).layers(pictures[:2])["logits"]).softmax(1)
    assert trained[0].argmax() == 967  # espresso
    assert trained[1].argmax() in (281, 282, 285)  # tabby, tiger cat, Egyptian cat
    assert trained[0].max() > 0.4 and trained[1].max() > 0.25 and untrained.max() < 0.1


def test_image_input(loaded, pictures):
    model = loaded("efficientnet-lite0")
    cup = pictures[0]
    assert np.array_equal(model.embed([cup]), model.embed([Image.fromarray(cup)]))
    assert model.embed([Image.fromarray(cup).convert("L")]).shape == (1, 1280)
    for bad in (cup / 255, cup[..., 0], cup[..., :2], cup[:0], cup.astype(np.int64)):
        with pytest.raises(BadInput, match=r"images\[1\]: got .*wanted uint8"):
            model.embed([cup, bad])
    for mode in ("F", "I;16", "RGBA"):
        with pytest.raises(BadInput, match=rf"images\[0\]: got mode {mode}"):
            model.embed([Image.new(mode, (9, 9))])


def test_flat_maps(loaded, pictures):
    model = loaded("efficientnet-lite0")
    flat, mean = (model.layers(pictures[:1], pool=pool) for pool in ("flatten", "mean"))
    assert flat["block1"].shape == (1, 16 * 112 * 112)
    assert close(flat["block1"].reshape(16, -1).mean(1), mean["block1"][0])
    with pytest.raises(BadInput, match=r"images: all positions take \d+\.\d GB"):
        model.layers([pictures[0]] * 1000, pool="flatten")


# --- conversion


def test_converted_model_loads_in_three_seconds(loaded):
    loaded("smollm2-135m")

    def seconds() -> float:
        start = time.perf_counter()
        models.load("smollm2-135m")
        return time.perf_counter() - start

    assert min(seconds() for _ in range(3)) < 3


@pytest.fixture
def conversions(cache, monkeypatch) -> list:
    """Conversion replaced by one that writes small files and counts itself."""
    calls = []

    def fake(parts, folder):
        calls.append([part.name for part in parts])
        time.sleep(0.05)
        (folder / "model.safetensors").write_bytes(bytes(1000))
        (folder / "config.json").write_text("{}")

    monkeypatch.setattr(convert, "_convert", fake)
    return calls


def make(name: str = "smollm2-135m"):
    return convert.converted(models.info(name), {"b": convert.Path("b"), "a": convert.Path("a")})


def test_conversion_happens_once_and_joins_in_order(conversions):
    assert make() == make()
    assert conversions == [["a", "b"]]


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "model.safetensors").write_bytes(bytes(999) + b"x"),
        lambda folder: (folder / "model.safetensors").write_bytes(bytes(10)),
        lambda folder: (folder / "config.json").unlink(),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.json").write_text('{"files": '),
        lambda folder: (folder / "manifest.json").write_text('{"source": "older", "files": {}}'),
    ],
)
def test_damaged_conversion_is_made_again(damage, conversions):
    folder = make()
    damage(folder)
    assert make() == folder and len(conversions) == 2
    assert (folder / "model.safetensors").read_bytes() == bytes(1000)
    make()
    assert len(conversions) == 2


def test_conversion_killed_half_way_leaves_nothing_usable(conversions, monkeypatch, cache):
    working = convert._convert

    def killed(parts, folder):
        (folder / "model.safetensors").write_bytes(bytes(500))
        raise KeyboardInterrupt

    monkeypatch.setattr(convert, "_convert", killed)
    with pytest.raises(KeyboardInterrupt):
        make()
    assert not (cache / "converted" / "smollm2-135m").exists()
    monkeypatch.setattr(convert, "_convert", working)
    assert (make() / "model.safetensors").stat().st_size == 1000


def test_two_conversions_at_once(conversions):
    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(conversions) == 1


def test_conversion_without_a_place_to_write(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("NEUROCONVERGE_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(CacheError, match=r"converted smollm2-135m.*MB"):
        make()


# --- feature cache


@pytest.fixture
def counted(loaded, cache, monkeypatch):
    """A model, and the list of its computations."""
    model, calls = loaded("minilm-l6"), []
    for what in ("layers", "embed"):
        method = getattr(type(model), what)

        def counting(self, *args, method=method, **options):
            calls.append(self.info.id)
            return method(self, *args, **options)

        monkeypatch.setattr(type(model), what, counting)
    return model, calls


def test_features_come_from_the_cache(counted):
    model, calls = counted
    first, second = (models.features(model, TEXTS) for _ in range(2))
    assert len(calls) == 1 and list(first) == list(second) == model.layer_names
    assert all(np.array_equal(first[name], second[name]) for name in first)
    models.features(model, TEXTS, batch_size=2)
    assert len(calls) == 1


def test_features_depend_on_model_inputs_and_options(counted, loaded):
    model, calls = counted
    models.features(model, TEXTS, "embed")
    models.features(model, TEXTS)
    models.features(model, TEXTS, pool="cls")
    models.features(model, TEXTS[::-1])
    models.features(model, [" ".join(TEXTS)])
    assert len(calls) == 5
    twin = models.degrade(model, 0.1, 0)
    assert not np.array_equal(models.features(twin, TEXTS, "embed"), models.features(model, TEXTS, "embed"))
    with pytest.raises(BadInput, match="what"):
        models.features(model, TEXTS, "logits")
    with pytest.raises(BadInput, match=r"texts\[1\]"):
        models.features(model, ["A cat.", ""])


def test_features_of_images_depend_on_pixels(loaded, cache, pictures):
    model = loaded("efficientnet-lite0")
    changed = pictures[0].copy()
    changed[0:50] = 0
    first, second = (models.features(model, [image], "embed") for image in (pictures[0], changed))
    assert not np.array_equal(first, second)
    assert len(list((cache / "features").iterdir())) == 2


@pytest.mark.parametrize("damage", ["cut", "flipped", "other", "empty"])
def test_damaged_features_are_computed_again(damage, counted, cache):
    model, calls = counted
    truth = models.features(model, TEXTS, "embed")
    [path] = (cache / "features").iterdir()
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    if damage == "other":  # a sound file, but of something else
        models.features(model, TEXTS[:2], "embed")
        [other] = set((cache / "features").iterdir()) - {path}
        content = other.read_bytes()
    path.write_bytes({"cut": content[:-500], "empty": b""}.get(damage, content))
    calls.clear()
    with pytest.warns(UserWarning, match="damaged"):
        assert np.array_equal(models.features(model, TEXTS, "embed"), truth)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(models.features(model, TEXTS, "embed"), truth)
    assert len(calls) == 1


def test_features_without_a_cache_that_can_be_written(counted, tmp_path, monkeypatch):
    model, calls = counted
    (tmp_path / "file").touch()
    monkeypatch.setenv("NEUROCONVERGE_CACHE", str(tmp_path / "file" / "below"))
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        for _ in range(3):
            assert models.features(model, TEXTS[:1], "embed").shape == (1, 384)
    assert len(calls) == 3 and len([w for w in shown if "not kept" in str(w.message)]) == 1


# --- hub


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An offline hub cache; gives a function that puts a network into it and returns its id."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def put(name: str, network, *files) -> str:
        folder = tmp_path / f"models--lab--{name}" / "snapshots" / ("0" * 40)
        network.save_pretrained(folder)
        for file in files:
            file.save_pretrained(folder)
        return f"hf:lab/{name}@{'0' * 40}"

    return put


def test_hub_needs_a_pinned_revision():
    for name in ("hf:lab/net", "hf:lab/net@main", "hf:", "hf:a/b/c@1"):
        with pytest.raises(BadInput, match="pins no revision"):
            models.load(name)


def test_hub_out_of_reach(hub):
    with pytest.raises(DataUnavailable, match="HF_HUB_OFFLINE"):
        models.load("hf:lab/net@abc")
    assert not models.available("hf:lab/net@abc")


def test_hub_texts(hub, loaded):
    from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel, T5Config, T5Model

    tokenizers = loaded("minilm-l6").tokenizer, loaded("smollm2-135m").tokenizer
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    encoder = hub("encoder", BertForMaskedLM(BertConfig(**size)), tokenizers[0])
    causal = hub("causal", GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=2, n_head=2)), tokenizers[1])
    for name, kind, window in ((encoder, "text", 512), (causal, "causal", 1024)):
        model = models.load(name)
        assert models.available(name) and model.info.id == name and model.info.revision == "0" * 40
        assert (model.info.kind, model.info.layers, model.info.dim) == (kind, 2, 16)
        assert model.info.window == window
        assert close(model.embed(TEXTS, batch_size=1), model.embed(TEXTS))
        assert list(model.layers(TEXTS)) == ["embedding", "layer1", "layer2"]
        twin = models.randomise(model, 1)
        assert not close(twin.embed(TEXTS), model.embed(TEXTS), 0.01) and not twin.info.trained
    with pytest.raises(BadInput, match="encoder-decoder"):
        models.load(hub("seq", T5Model(T5Config(d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2))))


def test_hub_checkpoint_without_its_weights(hub, loaded):
    from safetensors.torch import load_file, save_file
    from transformers import BertConfig, BertModel

    config = BertConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    name = hub("partial", BertModel(config), loaded("minilm-l6").tokenizer)
    file = models.hub.snapshot(name) / "model.safetensors"
    kept = {key: value for key, value in load_file(file).items() if "layer.1" not in key}
    save_file(kept, file, metadata={"format": "pt"})
    with pytest.raises(BadInput, match="lacks"):
        models.load(name)


def test_hub_images(hub, pictures):
    from transformers import ResNetConfig, ResNetModel, ViTConfig, ViTImageProcessor, ViTModel

    processor = ViTImageProcessor(size={"height": 32, "width": 32})
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    transformer = hub("vit", ViTModel(ViTConfig(image_size=32, patch_size=8, **size)), processor)
    network = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])
    for name in (transformer, hub("resnet", ResNetModel(network), processor)):
        model = models.load(name)
        assert (model.info.kind, model.info.layers, model.info.dim) == ("vision", 2, 16)
        assert close(model.embed(pictures, batch_size=1), model.embed(pictures))
        flat = model.layers(pictures, pool="flatten")["layer2"]
        assert close(flat.reshape(3, 16, -1).mean(2), model.layers(pictures)["layer2"])
    model = models.load(transformer)
    assert close(model.layers(pictures, pool="flatten")["layer1"].reshape(3, 16, -1)[..., 0],
                 model.layers(pictures, pool="cls")["layer1"])  # fmt: skip
