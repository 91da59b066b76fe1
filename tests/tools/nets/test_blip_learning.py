"""BLIP-2's three losses: who sees whom, entry by entry and in what comes of it, and that each is learnt."""

import pytest
import torch

from tests.tools.nets import blip
from tools.nets import blip_learning
from tools.nets.blip_learning import (
    Heads,
    alike,
    apart,
    contrast,
    hard_negatives,
    in_turn,
    losses,
    matches,
    said,
    similarities,
    together,
)
from tools.nets.clip_vision import VisionConfig
from tools.nets.qformer import SubjectConfig, SubjectEncoder

Q = blip.SUBJECT.queries
WORDS = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]], dtype=torch.bool)
"""Two texts, of three words and of four."""


def table(rows: str) -> torch.Tensor:
    """A mask as it is drawn: 2 queries, then 4 words."""
    return torch.tensor([[cell == "x" for cell in row] for row in rows.split()])


DRAWN = {
    apart: ("xx.... xx.... ..xxx. ..xxx. ..xxx. ..xxx.", "xx.... xx.... ..xxxx ..xxxx ..xxxx ..xxxx"),
    together: ("xxxxx. xxxxx. xxxxx. xxxxx. xxxxx. xxxxx.", "xxxxxx xxxxxx xxxxxx xxxxxx xxxxxx xxxxxx"),
    in_turn: ("xx.... xx.... xxx... xxxx.. xxxxx. xxxxx.", "xx.... xx.... xxx... xxxx.. xxxxx. xxxxxx"),
}


@pytest.mark.parametrize("mode", DRAWN)
def test_who_sees_whom(mode):
    seen = mode(2, WORDS)
    assert seen.shape == (2, 1, 6, 6) and seen.dtype == torch.bool
    for found, drawn in zip(seen[:, 0], DRAWN[mode], strict=True):
        assert torch.equal(found, table(drawn))


def states(mode, ids=None, image=None, mask=None):
    encoder, (some, there) = blip.subject_encoder(), blip.words(5)
    there = there if mask is None else mask
    shown = encoder.visual_encoder(blip.pixels(1)) if image is None else image
    return encoder.states(shown, some if ids is None else ids, mode(Q, there))[0]


def other_word(place):
    ids, _ = blip.words(5)
    ids[0, place] = (ids[0, place] + 1) % blip.SUBJECT.words
    return ids


def changed(one, other):
    """Which rows differ."""
    return [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if float((a - b).abs().max()) > 1e-9]


def test_through_all_layers_a_word_reaches_those_who_may_see_it():
    words = [Q + i for i in range(5)]
    queries = list(range(Q))
    assert changed(states(apart), states(apart, other_word(2))) == words
    assert changed(states(together), states(together, other_word(2))) == [*queries, *words]
    assert changed(states(in_turn), states(in_turn, other_word(2))) == words[2:]


def test_through_all_layers_the_picture_reaches_those_who_may_see_it():
    image = torch.randn(1, blip.SUBJECT.vision.tokens, blip.SUBJECT.vision.width, dtype=torch.float64)
    everyone, queries = list(range(Q + 5)), list(range(Q))
    assert changed(states(apart), states(apart, image=image)) == queries
    assert changed(states(together), states(together, image=image)) == everyone
    assert changed(states(in_turn), states(in_turn, image=image)) == everyone


def test_apart_is_each_by_itself():
    """Queries as if there were no words, words as if there were no queries."""
    encoder, (ids, _) = blip.subject_encoder(), blip.words(5)
    image = encoder.visual_encoder(blip.pixels(1))
    none = torch.zeros(1, 0, dtype=torch.long)
    alone = encoder.states(image, none, torch.ones(1, 1, Q, Q, dtype=torch.bool))
    torch.testing.assert_close(states(apart)[:Q], alone[0], atol=1e-12, rtol=0)
    x = encoder.embeddings(encoder.query_tokens, ids)[:, Q:]
    for layer in encoder.encoder.layer:
        x = layer.attention(x, x)
        x = layer.output(torch.nn.functional.gelu(layer.intermediate["dense"](x)), x)
    torch.testing.assert_close(states(apart)[Q:], x[0], atol=1e-12, rtol=0)


@pytest.mark.parametrize("mode", DRAWN)
def test_padding_is_seen_by_nobody(mode):
    mask = torch.tensor([[True, True, True, False, False]])
    inside = [*range(Q), Q, Q + 1, Q + 2]
    one, other = (states(mode, ids, mask=mask) for ids in (blip.words(5)[0], other_word(4)))
    assert not set(changed(one, other)) & set(inside)


def test_the_encoder_itself_is_the_matching_mode():
    encoder, (ids, mask) = blip.subject_encoder(), blip.words(3, 5)
    x = encoder.states(encoder.visual_encoder(blip.pixels(2)), ids, together(Q, mask))
    torch.testing.assert_close(encoder(blip.pixels(2), ids, mask), encoder.proj_layer(x[:, :Q]), atol=1e-13, rtol=0)


def reading():
    torch.manual_seed(3)
    return Heads(blip.SUBJECT, 8).double().requires_grad_(False)


def test_a_text_counts_against_the_query_that_is_most_like_it():
    encoder, (ids, mask) = blip.subject_encoder(), blip.words(4, 4, 4)
    heads = reading()
    image = encoder.visual_encoder(blip.pixels(3))
    found = similarities(encoder, heads, image, ids, mask)
    x = encoder.states(image, ids, apart(Q, mask))
    for i in range(3):
        for j in range(3):
            text = heads.text_proj(x[j, Q])
            cosines = [torch.cosine_similarity(heads.vision_proj(x[i, q]), text, dim=0) for q in range(Q)]
            torch.testing.assert_close(found[i, j], max(cosines) / heads.temp)


def test_equal_texts_are_no_wrong_ones():
    ids = torch.tensor([[2, 5, 3], [2, 6, 3], [2, 5, 3]])
    same = alike(ids)
    assert same.tolist() == [[True, False, True], [False, True, False], [True, False, True]]
    perfect = torch.where(same, 50.0, -50.0)
    smoothing = blip_learning.SMOOTHED
    best, worst = contrast(perfect, same), contrast(-perfect, same)
    assert float(worst) > 50 * (1 - smoothing) > float(best)
    pictures, texts = hard_negatives(torch.zeros(3, 3), same, torch.Generator())
    assert pictures[[0, 2]].tolist() == texts[[0, 2]].tolist() == [1, 1] and int(pictures[1]) in (0, 2)


def test_a_hard_negative_is_what_is_most_alike():
    likeness = torch.full((4, 4), -20.0)
    likeness[0, 2] = likeness[1, 0] = likeness[2, 3] = likeness[3, 1] = 20.0  # picture i is most like text …
    pictures, texts = hard_negatives(likeness, torch.eye(4, dtype=torch.bool), torch.Generator().manual_seed(0))
    assert texts.tolist() == [2, 0, 3, 1]
    assert pictures.tolist() == [1, 3, 0, 2]


def test_where_all_say_the_same_something_is_drawn():
    pictures, _ = hard_negatives(torch.zeros(2, 2), torch.ones(2, 2, dtype=torch.bool), torch.Generator())
    assert set(pictures.tolist()) <= {0, 1}


def test_words_are_said_from_dec_on_and_padding_does_not_count():
    encoder, heads = blip.subject_encoder(), reading()
    ids, mask = blip.words(3, 5)
    image = encoder.visual_encoder(blip.pixels(2))
    other = ids.clone()
    other[:, 0] = 7
    other[0, 4] = 9
    one, two = (blip_learning.generation(encoder, heads, image, some, mask) for some in (ids, other))
    torch.testing.assert_close(one, two)
    logits, following = said(encoder, heads, image, ids, mask)
    assert torch.equal(following, ids[:, 1:]) and logits.shape == (2, 4, blip.SUBJECT.words)
    begun = ids.clone()
    begun[:, 0] = blip.SUBJECT.words - 1
    x = encoder.states(image, begun, in_turn(Q, mask))[:, Q]
    torch.testing.assert_close(
        logits[:, 0], heads.next_words(x, encoder.embeddings.word_embeddings.weight), atol=1e-12, rtol=0
    )


def test_the_temperature_stays_where_it_means_something():
    encoder, (ids, mask), heads = blip.subject_encoder(), blip.words(4, 4, 4), reading()
    image = encoder.visual_encoder(blip.pixels(3))
    for value, held in ((-0.2, 0.001), (3.0, 0.5), (0.07, 0.07)):
        heads.temp.data.fill_(value)
        assert sum(losses(encoder, heads, image, ids, mask, torch.Generator().manual_seed(0))).isfinite()
        assert float(heads.temp) == pytest.approx(held)


@pytest.fixture(scope="module")
def taught():
    """A small network after some steps on eight pictures and their texts: its losses, and what it learnt them on."""
    sizes = SubjectConfig(VisionConfig(32, 1, 2, 64, 7, 14), 32, 2, 2, 64, words=24, positions=8, queries=4)
    torch.manual_seed(0)
    encoder, heads = SubjectEncoder(sizes), Heads(sizes, 16)
    for weight in (encoder.query_tokens, encoder.embeddings.word_embeddings.weight):
        torch.nn.init.normal_(weight, std=0.2)
    planes = torch.tensor([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)]) * 2.0 - 1
    pixels = planes[:, :, None, None] + 0.2 * torch.randn(8, 3, 14, 14)
    ids = torch.tensor([[2, 5 + i % 4, 10 + i // 4, 3, 0] for i in range(8)])
    words = ids != 0
    learners = [*encoder.parameters(), *heads.parameters()]
    optimizer, random = torch.optim.AdamW(learners, 4e-3), torch.Generator().manual_seed(1)
    history = []
    for _ in range(240):
        found = losses(encoder, heads, encoder.visual_encoder(pixels), ids, words, random)
        history.append(torch.stack(found).detach())
        optimizer.zero_grad()
        sum(found).backward()
        optimizer.step()
    with torch.no_grad():
        yield history, encoder, heads, encoder.visual_encoder(pixels), ids, words


def test_all_three_losses_fall(taught):
    history = taught[0]
    before, after = torch.stack(history[:5]).mean(0), torch.stack(history[-5:]).mean(0)
    assert bool((after < 0.4 * before).all()), (before, after)


def test_pictures_and_texts_find_each_other(taught):
    _, *at = taught
    likeness = similarities(*at)
    assert likeness.argmax(0).tolist() == likeness.argmax(1).tolist() == list(range(8))


def test_what_does_not_match_is_seen(taught):
    _, encoder, heads, image, ids, words = taught
    right = matches(encoder, heads, image, ids, words).argmax(1)
    wrong = [matches(encoder, heads, image.roll(by, 0), ids, words).argmax(1) for by in range(1, 8)]
    assert right.float().mean() >= 7 / 8 and torch.stack(wrong).float().mean() <= 0.05


def test_what_is_shown_is_said(taught):
    _, encoder, heads, image, ids, words = taught
    logits, following = said(encoder, heads, image, ids, words)
    assert bool((logits.argmax(-1) == following)[words[:, 1:]].all())
    elsewhere, _ = said(encoder, heads, image.roll(1, 0), ids, words)
    assert not bool((elsewhere.argmax(-1) == following)[words[:, 1:]].all())


def test_the_heads_stand_beside_the_encoder():
    names = {name.split(".")[0] for name, _ in SubjectEncoder(blip.SUBJECT).named_parameters()}
    assert names == {"embeddings", "visual_encoder", "query_tokens", "encoder", "proj_layer"}
    assert not names & {name.split(".")[0] for name, _ in Heads(blip.SUBJECT).named_parameters()}
