"""Questions as tensors, batches, and the validation part."""

from __future__ import annotations

import random

import pytest

from liafseq.tasks.babi.encode import Encoded, Questions, encode
from liafseq.tasks.babi.stories.split import hold_out, story_numbers
from liafseq.tasks.babi.vocab import Vocabulary
from liafseq.tasks.training.batches import ShuffledBatches


def make_rows(stories=30, seed=0):
    chance = random.Random(seed)
    rows = []
    for story in range(stories):
        said = []
        for _ in range(chance.randint(1, 4)):
            said += [
                f"p{chance.randrange(3)} went to x{story}." + " very" * chance.randrange(9)
                for _ in range(chance.randint(1, 3))
            ]
            person = f"p{chance.randrange(3)}"
            rows.append({"story": list(said), "question": f"where is {person} ?", "answer": f"x{story % 5}"})
    return rows


def make_vocabulary(rows):
    sentences = [sentence for row in rows for sentence in [*row["story"], row["question"]]]
    return Vocabulary.of(sentences, [row["answer"] for row in rows])


def batches_of(data, size, **more):
    return ShuffledBatches(Questions(data), size, word="questions", **more)


def words_of(column, length, vocabulary):
    return [vocabulary.words[number] for number in column[:length].tolist()]


def test_batches_hold_exactly_the_words_of_their_rows():
    rows = make_rows()
    vocabulary = make_vocabulary(rows)
    data = encode(rows, vocabulary)
    picked = [40, 3, 17, 3]
    batch = data.batch(picked)
    assert batch.story.shape == (int(batch.story_lengths.max()), 4)
    for at, row in enumerate(picked):
        said = " ".join(rows[row]["story"]).replace(".", " .").split()
        assert words_of(batch.story[:, at], batch.story_lengths[at], vocabulary) == said
        asked = rows[row]["question"].removesuffix("?").split()
        assert words_of(batch.question[:, at], batch.question_lengths[at], vocabulary) == asked
        assert vocabulary.answers[batch.answer[at]] == rows[row]["answer"]
        assert (batch.story[batch.story_lengths[at] :, at] == 1).all()


def test_questions_of_one_story_share_its_words():
    rows = make_rows()
    vocabulary = make_vocabulary(rows)
    data = encode(rows, vocabulary)
    numbers = story_numbers(rows)
    last = [at for at in range(len(rows)) if at + 1 == len(rows) or numbers[at + 1] != numbers[at]]
    assert len(data.words) == sum(len(vocabulary.numbers(" ".join(rows[at]["story"]))) for at in last)


def test_nothing_said_is_one_unknown_word():
    vocabulary = Vocabulary(["<unk>", "<pad>", "a"], ["x"])
    rows = [
        {"story": [], "question": "a", "answer": "x"},
        {"story": ["a"], "question": "", "answer": "y"},
    ]
    batch = encode(rows, vocabulary).batch([0, 1])
    assert batch.story.tolist() == [[0, 2]]
    assert batch.question.tolist() == [[2, 0]]
    assert batch.answer.tolist() == [0, -1]


def test_select_and_join():
    first, second = make_rows(10, seed=1), make_rows(12, seed=2)
    vocabulary = make_vocabulary(first + second)
    both = Encoded.join([encode(first, vocabulary), encode(second, vocabulary)])
    whole = encode(first + second, vocabulary)
    picked = [len(first) + 3, 2, len(first)]
    for one, other in zip(both.select(picked).batch([0, 1, 2]), whole.batch(picked), strict=True):
        assert one.equal(other)


def test_story_numbers():
    rows = make_rows()
    starts = [row["story"][0] for row in rows]
    numbers = story_numbers(rows)
    assert numbers[-1] == 29
    # In these rows the first sentence, with the story's number in it, tells the story.
    for at in range(1, len(rows)):
        same = starts[at].split()[3].strip(".") == starts[at - 1].split()[3].strip(".")
        assert (numbers[at] == numbers[at - 1]) is same


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("seed", [0, 1])
def test_validation_never_shares_a_story_with_training(fraction, seed):
    numbers = story_numbers(make_rows(200, seed=5))
    train, valid = hold_out(numbers, fraction, seed)
    assert sorted(train + valid) == list(range(len(numbers)))
    assert train == sorted(train)
    assert not {numbers[row] for row in train} & {numbers[row] for row in valid}
    assert abs(len(valid) - fraction * len(numbers)) <= 2.5
    assert hold_out(numbers, fraction, seed) == (train, valid)
    assert hold_out(numbers, fraction, seed + 1) != (train, valid)


def test_validation_of_few_stories():
    assert sorted(map(len, hold_out([0, 0, 0, 1], 0.01, 0))) in ([1, 3],)
    train, valid = hold_out([0, 1], 0.999, 0)
    assert len(train) == len(valid) == 1
    with pytest.raises(ValueError, match="at least 2 stories, got 3 on 1"):
        hold_out([0, 0, 0], 0.5, 0)


def test_an_epoch_has_every_question_once_and_depends_on_seed_and_number_alone():
    rows = make_rows(100)
    data = encode(rows, make_vocabulary(rows))
    batches = batches_of(data, 16, seed=3)
    epoch = batches.rows(2)
    assert len(epoch) == len(batches)
    assert sorted(row for batch in epoch for row in batch) == list(range(len(rows)))
    assert sorted(map(len, epoch))[1:] == [16] * (len(epoch) - 1)
    again = batches_of(data, 16, seed=3)
    assert again.rows(2) == epoch
    assert again.rows(1) != epoch
    assert batches_of(data, 16, seed=4).rows(2) != epoch


def test_batches_of_like_lengths():
    rows = make_rows(400)
    data = encode(rows, make_vocabulary(rows))

    def padding(batches):
        shapes = [(batch.story.numel(), int(batch.story_lengths.sum())) for batch in batches]
        return sum(all_ - read for all_, read in shapes) / sum(read for _, read in shapes)

    plain = [data.batch(range(at, min(at + 16, len(data)))) for at in range(0, len(data), 16)]
    assert padding(batches_of(data, 16, seed=0).epoch(1)) < 0.1 < 0.5 < padding(plain)
    assert padding(batches_of(data, 16).epoch(1)) < 0.1


@pytest.mark.parametrize("size", [1, 3, 16])
def test_processes_share_every_batch(size):
    rows = make_rows(20)[:33]
    data = encode(rows, make_vocabulary(rows))
    batches = batches_of(data, size, seed=0, world=2)
    shares = [list(batches.epoch(1, rank, 2)) for rank in range(2)]
    assert [len(share) for share in shares] == [len(batches)] * 2
    assert all(len(batch.answer) for share in shares for batch in share)
    assert sum(len(batch.answer) for share in shares for batch in share) == 33
    with pytest.raises(ValueError, match="at least 40 questions are needed, got 33"):
        batches_of(data, 16, world=40)
