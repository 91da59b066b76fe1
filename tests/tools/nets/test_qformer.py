"""The subject encoder: against a plain re-derivation, against transformers' BERT, and by its symmetries."""

import pytest
import torch
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertLayer

from tests.tools.nets import blip
from tools.nets.qformer import SubjectEncoder

Q = blip.SUBJECT.queries


def normed(x, weights, name):
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-12).sqrt()
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(x, weights, name):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def attended(x, seen, weights, name, bias):
    """Attention written head by head."""
    q, k, v = (linear(y, weights, f"{name}.attention.{p}") for y, p in ((x, "query"), (seen, "key"), (seen, "value")))
    d = q.shape[-1] // blip.SUBJECT.heads
    out = []
    for head in range(blip.SUBJECT.heads):
        s = slice(head * d, head * d + d)
        logits = q[..., s] @ k[..., s].transpose(1, 2) / d**0.5 + bias
        out.append(logits.softmax(-1) @ v[..., s])
    return normed(linear(torch.cat(out, -1), weights, f"{name}.output.dense") + x, weights, f"{name}.output.LayerNorm")


def rederived(weights, image, ids, mask):
    """What section 4.1 says, word by word, with the padding's −10000."""
    e = "embeddings"
    text = weights[f"{e}.word_embeddings.weight"][ids] + weights[f"{e}.position_embeddings.weight"][: ids.shape[1]]
    x = torch.cat([weights["query_tokens"].expand(len(ids), -1, -1), text], 1)
    x = normed(x, weights, f"{e}.LayerNorm")
    bias = torch.cat([torch.zeros(len(ids), Q), -10000.0 * ~mask], 1)[:, None].double()
    for i in range(blip.SUBJECT.layers):
        layer = f"encoder.layer.{i}"
        x = attended(x, x, weights, f"{layer}.attention", bias)
        q = attended(x[:, :Q], image, weights, f"{layer}.crossattention", 0.0)
        parts = []
        for y, kind in ((q, "_query"), (x[:, Q:], "")):
            h = linear(y, weights, f"{layer}.intermediate{kind}.dense")
            h = linear(h * (1 + torch.erf(h / 2**0.5)) / 2, weights, f"{layer}.output{kind}.dense")
            parts.append(normed(h + y, weights, f"{layer}.output{kind}.LayerNorm"))
        x = torch.cat(parts, 1)
    y = x[:, :Q]
    h = linear(normed(y, weights, "proj_layer.LayerNorm"), weights, "proj_layer.dense1")
    return y + linear(h / (1 + torch.exp(-1.702 * h)), weights, "proj_layer.dense2")


def test_it_is_what_the_paper_says():
    encoder = blip.subject_encoder()
    x, (ids, mask) = blip.pixels(3), blip.words(3, 5, 4)
    expected = rederived(encoder.state_dict(), encoder.visual_encoder(x), ids, mask)
    torch.testing.assert_close(encoder(x, ids, mask), expected, atol=1e-11, rtol=0)


def test_its_self_attention_and_its_words_feed_forward_are_berts():
    c, layer = blip.SUBJECT, blip.subject_encoder().encoder.layer[0]
    config = BertConfig(
        hidden_size=c.width, num_attention_heads=c.heads, intermediate_size=c.hidden, attn_implementation="eager"
    )
    theirs = blip.shaken(BertLayer(config))
    state = layer.state_dict()
    theirs.load_state_dict(
        {name: state[name.replace("attention.self.", "attention.attention.")] for name in theirs.state_dict()}
    )
    x = torch.randn(2, Q + 5, c.width, dtype=torch.float64)
    image = torch.randn(2, 7, c.vision.width, dtype=torch.float64)
    ours = layer(x, image, torch.ones(2, 1, 1, Q + 5, dtype=torch.bool))
    expected = theirs(x)
    expected = expected[0] if isinstance(expected, tuple) else expected
    torch.testing.assert_close(ours[:, Q:], expected[:, Q:], atol=1e-12, rtol=0)


def test_permuting_the_queries_permutes_the_vectors():
    encoder, (ids, mask), order = blip.subject_encoder(), blip.words(3), torch.tensor([2, 0, 3, 1])
    before = encoder(blip.pixels(1), ids, mask)
    encoder.query_tokens.data = encoder.query_tokens[:, order]
    torch.testing.assert_close(encoder(blip.pixels(1), ids, mask), before[:, order], atol=1e-13, rtol=0)
    assert not torch.allclose(before, before[:, order])


@pytest.mark.parametrize("padding", [1, 6])
def test_padding_of_the_category_changes_nothing(padding):
    encoder, (ids, mask) = blip.subject_encoder(), blip.words(4)
    padded = torch.nn.functional.pad(ids, (0, padding)), torch.nn.functional.pad(mask, (0, padding))
    torch.testing.assert_close(encoder(blip.pixels(1), *padded), encoder(blip.pixels(1), ids, mask), atol=1e-13, rtol=0)


def test_the_category_and_the_picture_both_count():
    encoder, (ids, mask) = blip.subject_encoder(), blip.words(4)
    here = encoder(blip.pixels(1), ids, mask)
    assert (here - encoder(blip.pixels(1, seed=7), ids, mask)).abs().max() > 1e-3
    assert (here - encoder(blip.pixels(1), *blip.words(4, seed=8))).abs().max() > 1e-3


def test_a_batch_is_its_rows():
    encoder, x, (ids, mask) = blip.subject_encoder(), blip.pixels(2), blip.words(4, 4)
    rows = [encoder(x[i : i + 1], ids[i : i + 1], mask[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(encoder(x, ids, mask), torch.cat(rows), atol=1e-13, rtol=0)


def test_the_default_is_the_released_size():
    with torch.device("meta"):
        encoder = SubjectEncoder(type(blip.SUBJECT)())
    count = sum(p.numel() for p in encoder.parameters())
    assert encoder.visual_encoder.embeddings.position_embedding.shape[1] == 257
    assert 480e6 < count < 500e6
