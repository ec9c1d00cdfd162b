"""A domain is hashable, equal to its copies, crops as it says, and refuses what cannot be a domain."""

import jax
import numpy as np
import pytest

from operax.domain import Domain

MASK = np.zeros((4, 6), bool)
MASK[1:3, 1:5] = True


def test_one_number_serves_every_axis():
    domain = Domain((4, 6), 0.5, "periodic")
    assert domain.shape == (4, 6)
    assert domain.spacing == (0.5, 0.5)
    assert domain.boundary == ("periodic", "periodic")
    assert Domain(5).shape == (5,)


def test_axes_are_named():
    assert [Domain((3,) * n).axes for n in (1, 2, 3)] == [("row",), ("row", "column"), ("plane", "row", "column")]


def test_pixels_are_centred():
    rows, columns = Domain((2, 3), (0.5, 2.0)).centres()
    np.testing.assert_allclose(rows, [0.25, 0.75])
    np.testing.assert_allclose(columns, [1, 3, 5])


def test_mask_comes_back_as_it_was_given():
    domain = Domain((4, 6), inside=MASK)
    assert domain.masked
    np.testing.assert_array_equal(domain.inside, MASK)


def test_full_mask_is_no_mask():
    domain = Domain((4, 6), inside=np.ones((4, 6), bool))
    assert not domain.masked
    assert domain == Domain((4, 6))
    assert domain.inside.all()


def test_mask_cannot_be_changed_behind_the_domain():
    with pytest.raises(ValueError, match="read-only"):
        Domain((4, 6), inside=MASK).inside[0, 0] = True


def test_equal_domains_stay_equal_and_hash_alike_after_the_mask_was_read():
    one, other = Domain((4, 6), 0.5, inside=MASK), Domain((4, 6), 0.5, inside=MASK.copy())
    assert one.inside.sum() == 8
    assert one == other
    assert hash(one) == hash(other)
    assert one != Domain((4, 6), 0.5)
    assert one != Domain((4, 6), 0.25, inside=MASK)
    assert one != Domain((4, 6), 0.5, inside=~MASK)


def test_a_domain_is_static():
    domain, traces = Domain((4, 6), inside=MASK), []

    @jax.jit
    def pixels(domain):
        traces.append(domain)
        return domain.inside.sum()

    assert jax.tree.leaves(domain) == []
    assert pixels(domain) == pixels(Domain((4, 6), inside=MASK.copy())) == 8
    assert len(traces) == 1


def test_crop_keeps_pixels_mask_and_spacing():
    cropped = Domain((4, 6), (0.1, 0.2), inside=MASK).crop(slice(1, 4), slice(-4, None))
    assert cropped.shape == (3, 4)
    assert cropped.spacing == (0.1, 0.2)
    np.testing.assert_array_equal(cropped.inside, MASK[1:4, 2:])


def test_cut_periodic_axis_has_ends():
    domain = Domain((4, 6), 1.0, "periodic")
    assert domain.crop(slice(None), slice(0, 3)).boundary == ("periodic", "no-flux")
    assert domain.crop(slice(None), slice(0, 6)) == domain


def test_ends_of_an_axis_may_differ_and_have_one_canonical_form():
    line = Domain(5, boundary=(("fixed-flux", "no-flux"),))
    assert line.boundary == ("fixed-flux/no-flux",)
    assert line.ends == (("fixed-flux", "no-flux"),)
    assert line == Domain(5, boundary="fixed-flux/no-flux")
    assert Domain(5, boundary=(("no-flux", "no-flux"),)) == Domain(5)
    square = Domain((4, 6), boundary=("periodic", ("fixed-value", "no-flux")))
    assert square.boundary == ("periodic", "fixed-value/no-flux")
    assert square.ends == (("periodic", "periodic"), ("fixed-value", "no-flux"))


def test_an_end_that_is_cut_off_is_closed():
    line = Domain(9, boundary=(("fixed-flux", "fixed-value"),))
    assert line.crop(slice(0, 5)).boundary == ("fixed-flux/no-flux",)
    assert line.crop(slice(2, 9)).boundary == ("no-flux/fixed-value",)
    assert line.crop(slice(2, 5)).boundary == ("no-flux",)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: Domain((0, 3)), ValueError, r"`shape` must be one to three positive pixel counts, got \(0, 3\)"),
        (lambda: Domain((2, 2, 2, 2)), ValueError, "`shape` must be one to three"),
        (
            lambda: Domain((2, 2), (1, 1, 1)),
            ValueError,
            r"`spacing` must be one number or 2 .*got \(1\.0, 1\.0, 1\.0\)",
        ),
        (lambda: Domain((2, 2), -0.1), ValueError, r"`spacing` must be positive and finite, got \(-0\.1, -0\.1\)"),
        (lambda: Domain(2, np.nan), ValueError, "`spacing` must be positive and finite"),
        (lambda: Domain(2, 1.0, "open"), ValueError, r"`boundary` must be one of \('periodic', 'no-flux'.*'open'"),
        (lambda: Domain((2, 2), 1.0, ("periodic",)), ValueError, "a tuple of one for each of the 2 axes"),
        (
            lambda: Domain(5, 1.0, ("no-flux", "fixed-value")),
            ValueError,
            "where the low and the high end differ, a pair",
        ),
        (lambda: Domain(5, 1.0, (("no-flux", "periodic"),)), ValueError, r"Got \(\('no-flux', 'periodic'\),\)"),
        (lambda: Domain(5, 1.0, 3), ValueError, "`boundary` must be one of .*Got 3"),
        (
            lambda: Domain((4, 6), inside=MASK.T),
            ValueError,
            r"`inside` must have .*\(4, 6\), got \(6, 4\); crop or transp",
        ),
        (lambda: Domain((4, 6), inside=MASK * 1), TypeError, "`inside` must be a boolean.*int64; write .*mask > 0"),
        (lambda: Domain((4, 6), inside=MASK & False), ValueError, "`inside` marks no pixel at all; pass `inside=None`"),
        (lambda: Domain((4, 6)).crop(slice(2)), ValueError, r"`crop` needs one slice for each .*'column'.*got 1"),
        (lambda: Domain(6).crop(slice(0, 6, 2)), ValueError, "along `row` must keep at least one of its 6 pixels"),
        (lambda: Domain(6).crop(slice(3, 3)), ValueError, "along `row` must keep at least one"),
        (
            lambda: Domain((4, 6), inside=MASK).crop(slice(0, 1), slice(None)),
            ValueError,
            "keeps no pixel inside the particles; move the window",
        ),
    ],
)
def test_errors_say_what_is_wrong(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
