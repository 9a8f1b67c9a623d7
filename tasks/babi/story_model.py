"""A network that answers bAbI questions in several hops over the sentences of the story."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, normalize

from liafseq.padding import padded
from liafseq.tasks.babi.config import BabiConfig
from liafseq.tasks.models import build_layer

__all__ = ["StoryModel"]

_MATCH = 5.0
"""Initial weight of the one pair of roles that a head begins with."""

_PLACE = 4.0
"""Log odds by which the first role prefers, at first, the start of a sentence, and the last one its end."""


class StoryModel(nn.Module):
    r"""Reads sentence by sentence: recurrent layers over words and sentences, attention between sentences.

    *Words.* A recurrent layer reads the words :math:`w_1 \ldots w_L` of a sentence in both directions; its
    outputs :math:`h_j` decide which words play each of R roles, and a role's vector is the mean
    embedding of these, brought to length 1:

    .. math::
        a_{rj} = \mathrm{softmax}_j\left(W_r h_j + s_r[w_j] + q_r \left(\tfrac{j - 1}{L - 1}
            - \tfrac12\right)\right), \qquad
        x_r = \mathrm{unit}\left(\sum_j a_{rj} E[w_j]\right)

    The initial salience :math:`s_r` of a word grows with the logarithm of its number in the vocabulary,
    which is sorted by falling frequency: rare words say more. The initial slopes :math:`q_r` give the
    first role the words at the start, the last role those at the end.

    *Matches.* Two sentences t and s speak of the same where their roles hold the same words:
    :math:`G_{rr'}[t, s] = \langle x_{t,r}, x_{s,r'} \rangle`. The question is read like a sentence and
    stands before the first one, as number 0.

    *Hops.* The state of a sentence begins as a linear map of its roles and of the last :math:`h`. In
    each hop a recurrent layer reads the states in the order of the story, the question first, and every
    sentence then takes in what it finds in those that it matches, by heads i:

    .. math::
        u_t &\leftarrow \mathrm{norm}(u_t + W_y\, \mathrm{Rec}(u_0, \ldots u_T)_t) \\
        p_i[t, s] &= \sigma(\langle m_i, G[t, s] \rangle + \langle b_i, u_t \rangle
            + \langle c_i, u_s \rangle + d_i) \\
        A_i[t, s] &= p_i[t, s] \prod_{r \text{ nearer to } t \text{ than } s} (1 - p_i[t, r]) \\
        u_t &\leftarrow \mathrm{norm}(u_t + W_o [A_1 V_1 u, \ldots A_n V_n u]_t)

    Half of the heads look back, from t to the start, the others ahead, from t to the end; the question
    looks back from the end and ahead from the start. So A takes the nearest match, the latest one for
    the question (the geometric attention of Csordas et al. 2021, arXiv:2110.07732; the gates of
    query-reduction networks, Seo et al. 2016, arXiv:1606.04582, are its case of one head). A linear
    layer chooses the answer from the last :math:`u_0`. With ``attention="unordered"`` every head sees
    all other sentences, and A is a softmax over them and over nothing, of score 0: then the order of
    the sentences is known from the recurrent layer alone. With attention to the nearest match this
    model answers most tasks without any recurrent layer over the sentences, so the unordered one is
    what tells the recurrent layers apart.

    All recurrent layers are of the kind under test; the rest is the same for every kind.

    Args:
        config: sizes and kind of the layers; ``hidden_size`` is the size of a state and of the
            recurrent layer over the sentences; half of it, a direction, that of the one over the words.
        words: size of the vocabulary.
        answers: number of classes.

    Shapes: ``forward`` takes all but the last tensor of a
    :class:`~liafseq.tasks.babi.encode.SentenceBatch` of N questions and gives logits, (N, answers).
    Padding changes nothing.
    """

    def __init__(self, config: BabiConfig, words: int, answers: int) -> None:
        super().__init__()
        size = config.hidden_size
        self.reader = SentenceReader(config, words)
        self.embedding = self.reader.embedding
        self.begin = nn.Linear(self.reader.features, size)
        self.norm = nn.LayerNorm(size)
        self.asked = nn.Parameter(torch.randn(size) * 0.1)
        self.hops = nn.ModuleList(Hop(config) for _ in range(config.hops))
        self.dropout = nn.Dropout(config.dropout)
        self.answer = nn.Linear(size, answers)
        self.unordered = config.attention == "unordered"

    def forward(
        self,
        words: Tensor,
        word_lengths: Tensor,
        story: Tensor,
        story_lengths: Tensor,
        question: Tensor,
        question_lengths: Tensor,
    ) -> Tensor:
        # Each different sentence of the batch is read once.
        roles, features = self.reader(words, word_lengths)
        query_roles, query_features = self.reader(question, question_lengths)
        sentences = self.norm(self.begin(features))[story]
        query = self.norm(self.begin(query_features) + self.asked)
        states = self.dropout(torch.cat([query[None], sentences]))
        lengths = story_lengths + 1
        matches = _matches(torch.cat([query_roles[None], roles[story]]))
        seen = _seen(lengths, states.shape[0], states.device)
        if self.unordered:
            seen = seen.any(1, keepdim=True)
        for hop in self.hops:
            states = hop(states, lengths, matches, seen)
        return self.answer(states[0])


class SentenceReader(nn.Module):
    """A recurrent layer over the words of a sentence, in both directions, and the roles that it tells.

    Shapes: ``forward`` takes words (L, S) and lengths (S) and gives roles, (S, R, embedding), and
    features of the sentence, (S, ``features``): the roles and both directions' last outputs.
    """

    def __init__(self, config: BabiConfig, words: int) -> None:
        super().__init__()
        self.width = max(1, config.hidden_size // 2)
        self.embedding = nn.Embedding(words, config.embedding_size)
        nn.init.normal_(self.embedding.weight, std=config.embedding_size**-0.5)
        self.seen = nn.Embedding(words, self.width)
        self.layer = build_layer(config.model, self.width, self.width, bidirectional=True)
        self.role = nn.Linear(2 * self.width, config.roles)
        self.salience = nn.Embedding(words, config.roles)
        nn.init.normal_(self.salience.weight, std=0.5)
        with torch.no_grad():
            self.salience.weight += torch.arange(1.0, words + 1).log()[:, None]
        self.place = nn.Parameter(torch.linspace(-_PLACE, _PLACE, config.roles))
        self.features = config.roles * config.embedding_size + 2 * self.width

    def forward(self, words: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        read, _ = padded(self.layer, self.seen(words), lengths)
        lengths = lengths.to(words.device)
        steps = torch.arange(words.shape[0], device=words.device)[:, None]
        place = steps / (lengths - 1).clamp(min=1) - 0.5
        score = self.role(read) + self.salience(words) + place[..., None] * self.place
        share = score.masked_fill((steps >= lengths)[..., None], -torch.inf).softmax(0)
        roles = normalize(torch.einsum("lsr,lse->sre", share, self.embedding(words)), dim=-1)
        last = torch.arange(lengths.shape[0], device=words.device)
        end = torch.cat([read[lengths - 1, last, : self.width], read[0, :, self.width :]], -1)
        # Vectors of length 1: brought to the scale of the recurrent layer's output.
        scale = roles.shape[-1] ** 0.5 / 2
        return roles, torch.cat([scale * roles.flatten(1), end], -1)


class Hop(nn.Module):
    """One hop: a recurrent layer over the sentences, then what each takes from those that it matches."""

    def __init__(self, config: BabiConfig) -> None:
        super().__init__()
        size, heads = config.hidden_size, config.heads
        directions = 2 if config.bidirectional else 1
        self.heads, self.head_size = heads, max(1, 2 * size // heads)
        self.layer = build_layer(
            config.model,
            size,
            size,
            num_layers=config.num_layers,
            dropout=config.dropout,
            bidirectional=config.bidirectional,
        )
        self.write = nn.Linear(directions * size, size)
        self.norm = nn.LayerNorm(size)
        # Of every head: its values, and what the states of both sentences add to its score.
        self.value = nn.Linear(size, heads * (self.head_size + 2))
        self.match = nn.Parameter(_first_matches(heads, config.roles))
        self.bias = nn.Parameter(torch.full((heads, 1, 1), -1.0))
        self.take = nn.Linear(heads * self.head_size, size)
        self.norm_taken = nn.LayerNorm(size)
        self.dropout = nn.Dropout(config.dropout)
        self.unordered = config.attention == "unordered"

    def forward(self, states: Tensor, lengths: Tensor, matches: Tensor, seen: Tensor) -> Tensor:
        steps, count, _ = states.shape
        read, _ = padded(self.layer, states, lengths)
        states = self.norm(states + self.dropout(self.write(read)))
        value = self.value(states).view(steps, count, self.heads, -1).permute(1, 2, 0, 3)
        value, own, other = value.split([self.head_size, 1, 1], -1)
        score = (self.match @ matches.flatten(2)).view(count, self.heads, steps, steps)
        weigh = _any if self.unordered else _nearest
        attention = weigh(score + (own + self.bias) + other.mT, seen)
        taken = (attention @ value).permute(2, 0, 1, 3).flatten(2)
        return self.norm_taken(states + self.dropout(self.take(taken)))


def _first_matches(heads: int, roles: int) -> Tensor:
    """Each head begins with one pair of roles; both directions have the same ones."""
    match = 0.1 * _MATCH * torch.randn(heads, roles**2)
    half = torch.arange(heads) % (heads // 2)
    return match + _MATCH * nn.functional.one_hot(half % roles**2, roles**2)


def _matches(roles: Tensor) -> Tensor:
    """(N, R * R, T, T) inner products of the roles, (T, N, R, E), of every two sentences."""
    steps, count, parts, _ = roles.shape
    flat = roles.transpose(0, 1).flatten(1, 2)
    found = (flat @ flat.mT).view(count, steps, parts, steps, parts)
    return found.permute(0, 2, 4, 1, 3).reshape(count, parts * parts, steps, steps)


def _seen(lengths: Tensor, steps: int, device: torch.device) -> Tensor:
    """(N, 2, T, T): whether t sees s looking back and looking ahead; never itself, nor padding.

    The question, number 0, sees all sentences both ways, and is seen by none.
    """
    at = torch.arange(steps, device=device)
    t, s = at[:, None], at[None]
    both = torch.stack([(s < t) | (t == 0), s > t]) & (s > 0) & (s != t)
    return both & (at < lengths.to(device)[:, None])[:, None, None]


def _nearest(score: Tensor, seen: Tensor) -> Tensor:
    """Of every head the part of each sentence: its probability times that of no nearer one.

    Args:
        score: (N, heads, T, T) log odds; the first half of the heads looks back, the others ahead.
        seen: (N, 2, T, T).
    """
    half = score.shape[1] // 2
    seen = seen.repeat_interleave(half, 1)
    found = logsigmoid(score)
    # The logarithm of passing by s; where s is not seen, nothing is in the way.
    passed = (found - score).masked_fill(~seen, 0.0)
    along = passed.cumsum(-1)
    nearer = torch.cat([along[:, :half, :, -1:] - along[:, :half], along[:, half:] - passed[:, half:]], 1)
    return (found + nearer).masked_fill(~seen, -torch.inf).exp()


def _any(score: Tensor, seen: Tensor) -> Tensor:
    """A softmax over the sentences that are seen, (N, 1, T, T), and over nothing, of score 0."""
    nothing = torch.zeros_like(score[..., :1])
    score = score.masked_fill(~seen, -torch.inf)
    return torch.cat([score, nothing], -1).softmax(-1)[..., :-1]
