"""Particles are found, cut apart and followed; frames are brought back into register."""

import numpy as np
import pytest

from operax import modalities as md
from operax.domain import Domain
from operax.movie import Movie

ROW, COLUMN = np.mgrid[:64, :64]


def discs(*places, radius=9):
    labels = np.zeros((64, 64), int)
    for i, (r, c) in enumerate(places, 1):
        labels[(ROW - r) ** 2 + (COLUMN - c) ** 2 < radius**2] = i
    return labels


TOUCHING = discs((20, 20), (20, 37), (45, 45))


def test_mask_survives_noise_and_leaves_out_specks_and_holes():
    picture = 0.2 + (TOUCHING > 0) + 0.3 * np.random.default_rng(0).normal(size=(64, 64))
    picture[60, 3:5] = 5
    mask = md.particle_mask(picture, smooth=1.5)
    assert (mask == (TOUCHING > 0)).mean() > 0.97
    assert not mask[60, 3]
    with pytest.raises(ValueError, match=r"no particle of 16 pixels rises above 9; the picture spans"):
        md.particle_mask(picture, threshold=9.0)
    with pytest.raises(ValueError, match="must be one grey image"):
        md.particle_mask(np.zeros((2, 3, 4)))
    with pytest.raises(ValueError, match="must be finite"):
        md.particle_mask(np.full((3, 4), np.nan))


def test_touching_discs_are_cut_at_the_neck():
    labels = md.segment(TOUCHING > 0, apart=6)
    assert labels.max() == 3
    assert md.f_score(labels, TOUCHING, least=0.9) == 1
    with pytest.raises(ValueError, match="must be a boolean image that holds a particle"):
        md.segment(TOUCHING)


def test_marks_drawn_by_hand_part_discs():
    marks = np.zeros((64, 64), int)
    marks[20, 20], marks[20, 37], marks[45, 45], marks[5, 60], marks[60, 5] = 1, 2, 3, 4, 4
    edges = (TOUCHING > 0).astype(float) - 0.5 * (TOUCHING == 2)
    labels = md.from_marks(edges, marks)
    assert md.f_score(labels, TOUCHING, least=0.8) == 1
    with pytest.raises(ValueError, match="at least one particle and the ground"):
        md.from_marks(edges, np.ones((64, 64), int))


def test_halves_of_different_colour_are_two_particles():
    truth = np.where(discs((32, 32), radius=20) > 0, np.where(COLUMN < 32, 1, 2), 0)
    colours = np.array([[0, 0, 0], [0.5, 0.2, 0.1], [0.6, 0.5, 0.1]])[truth]
    noisy = colours + 0.05 * np.random.default_rng(1).normal(size=colours.shape)
    labels = md.split_by_colour(noisy, truth > 0, contrast=0.15)
    assert md.f_score(labels, truth, least=0.8) == 1
    with pytest.raises(ValueError, match="must be a colour image with a mask"):
        md.split_by_colour(noisy[..., 0], truth > 0)


def test_labels_follow_particles_that_move_vanish_and_come_back():
    def frame(t, *numbers):
        places = [(15, 15 + t), (40, 20), (45, 50)]
        shuffled = np.zeros((64, 64), int)
        for new, i in enumerate(numbers, 1):
            shuffled[discs(places[i]) > 0] = new
        return shuffled

    followed = md.track(np.stack([frame(0, 0, 1), frame(2, 1, 0, 2), frame(4, 2, 0), frame(6, 0, 1, 2)]))
    at = {"first": (15, 18), "second": (40, 20), "third": (45, 50)}
    assert [followed[t][at["first"]] for t in range(4)] == [1, 1, 1, 1]
    assert [followed[t][at["second"]] for t in range(4)] == [2, 2, 0, 2]
    assert [followed[t][at["third"]] for t in range(4)] == [0, 3, 3, 3]
    with pytest.raises(ValueError, match="one image of labels a frame"):
        md.track(TOUCHING)


def test_f_score_counts_missed_and_invented_particles():
    missed = np.where(TOUCHING == 3, 0, TOUCHING)
    assert md.f_score(missed, TOUCHING) == pytest.approx(2 * 2 / 5)
    assert md.f_score(np.zeros((64, 64), int), TOUCHING) == 0
    assert md.f_score(np.zeros((4, 4), int), np.zeros((4, 4), int)) == 1
    with pytest.raises(ValueError, match="must have one shape"):
        md.f_score(TOUCHING, TOUCHING[:3])


def blobs(shift, contrast):
    r, c = ROW - shift[0], COLUMN - shift[1]
    picture = sum(
        np.exp(-((r - a) ** 2 + (c - b) ** 2) / (2 * s**2)) for a, b, s in ((20, 22, 5), (40, 30, 7), (30, 46, 4))
    )
    return contrast * picture


def test_drift_is_found_to_a_fraction_of_a_pixel_though_contrast_changes():
    rng = np.random.default_rng(2)
    drift = np.cumsum(rng.normal(0, 0.6, (8, 2)), 0)
    frames = np.stack([blobs(d, 0.5 + i / 8) for i, d in enumerate(drift)])
    movie = Movie(frames + 0.02 * rng.normal(size=frames.shape), np.arange(8), Domain((64, 64)), variance=4e-4)
    found = md.register(movie)
    expected = -(drift - drift.mean(0))
    assert np.sqrt(((found.shifts - expected) ** 2).mean()) < 0.1
    assert "8 frames, drift of" in str(found)
    straight = md.aligned(movie, found)
    assert straight.domain.shape < (64, 64)
    assert md.register(straight).residual < 0.05
    relative = np.asarray(straight.frames) / (0.5 + np.arange(8) / 8)[:, None, None]
    assert relative.std(0).max() < 0.12


def test_registration_refuses_what_it_cannot_do():
    line = Movie(np.ones((3, 8)), np.arange(3), Domain(8))
    with pytest.raises(ValueError, match="`register` needs two space axes"):
        md.register(line)
    flat = Movie(np.random.default_rng(3).normal(size=(3, 8, 8)), np.arange(3), Domain((8, 8)))
    with pytest.raises(ValueError, match="must be positive"):
        md.register(flat, upsample=0)
    with pytest.raises(ValueError, match="shifts of 2 frames, the movie has 3"):
        md.aligned(flat, md.Registration(np.zeros((2, 2)), 0.0))
    with pytest.raises(ValueError, match="have no pixel"):
        md.aligned(flat, md.Registration(np.array([[0, 0], [5, 0], [-5, 0.0]]), 0.0))
