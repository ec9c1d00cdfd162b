import zipfile

import numpy as np
import pytest

from operax.io import load
from operax.io.xim import parse

IMAGES = np.random.default_rng(0).uniform(10, 400, (3, 4, 5)).round(6)


def points(values):
    return f"({len(values)}, {', '.join(f'{v:.4f}' for v in values)})"


COLUMNS, ROWS = 0.1 * np.arange(5) - 7, 0.2 * np.arange(4)


def header(x=COLUMNS, y=ROWS, energies=(700, 701.5, 702), regions=1, unit="um"):
    region = (
        f'{{ PAxis = {{ Name = "Sample X"; Unit = "um"; Points = {points(x)};\n}};\n'
        f'QAxis = {{ Name = "Sample Y"; Unit = "{unit}"; Points = {points(y)};\n}};}}'
    )
    return (
        'ScanDefinition = { Label = "s.hdr"; Type = "NEXAFS Image Scan"; Dwell = 0.4;\n'
        + f"Regions = ({regions},\n"
        + ",\n".join([region] * regions)
        + f');\nStackAxis = {{ Name = "Energy"; Unit = "eV"; Points = {points(energies)};\n}};\n'
        'Channels = (1,\n{ Name = "counter1"; Unit = "counts";});\n};\n Time = "2007"; BeamFeedback = true;\n'
    )


def stack(folder, text=None, images=IMAGES):
    folder.mkdir(exist_ok=True)
    (folder / "s.hdr").write_text(header() if text is None else text)
    for i, image in enumerate(images):
        np.savetxt(folder / f"s_a{i:03d}.xim", image, delimiter="\t", fmt="%.6f")
    return folder


def zipped(folder, path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"inner/{file.name}")
    return path


def test_header_folder_and_zip_are_the_same(tmp_path):
    folder = stack(tmp_path / "scan")
    for path in (folder, folder / "s.hdr", zipped(folder, tmp_path / "s.zip")):
        movie = load(path)
        np.testing.assert_allclose(movie.frames, IMAGES, rtol=1e-6)
        np.testing.assert_allclose(movie.times, [700, 701.5, 702])
        np.testing.assert_allclose(movie.domain.spacing, (0.2, 0.1))
        assert (movie.axis, movie.units) == ("energy", ("um", "eV", "counts"))


def test_header_grammar():
    found = parse("a.hdr", header())
    assert found["BeamFeedback"] == "true"
    assert found["ScanDefinition"]["StackAxis"]["Points"] == [3, 700, 701.5, 702]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no `ScanDefinition`"),
        ("Type = 3;", "no `ScanDefinition`"),
        (header()[:300], "breaks off or is damaged"),
        ("ScanDefinition = " + "(1, " * 5000, "nested more than 16 deep"),
        ('ScanDefinition = "open', "cannot be understood|breaks off"),
        (header(regions=2), "holds 2 regions"),
        (header().replace("StackAxis", "Other"), "no StackAxis"),
        (header().replace("(3, 700", "(4, 700"), "no StackAxis with as many points as it says"),
        (header().replace('"Energy"', '"Angle"'), "runs along 'Angle'"),
        (header(x=[0, 0.1, 0.3, 0.4, 0.5]), "column are not evenly spaced"),
        (header(unit="mm"), "rows are in 'mm' and columns in 'um'"),
        (header(energies=(700, 700, 701)), "strictly increasing"),
        (header(energies=(700, 701)), "required; found 3"),
    ],
)
def test_headers_that_cannot_be_used(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        load(stack(tmp_path / "scan", text))


def test_images_that_do_not_fit(tmp_path):
    folder = stack(tmp_path / "scan")
    (folder / "s_a001.xim").write_text("\n".join(["1.5 2.5 3.5 4.5"] * 5))
    with pytest.raises(ValueError, match=r"'s_a001\.xim' holds \(5, 4\) numbers, the header says \(4, 5\)"):
        load(folder)
    (folder / "s_a001.xim").write_text("1 2 3 4 5\n" * 3 + "1 2 x 4 5\n")
    with pytest.raises(ValueError, match="is no table of numbers"):
        load(folder)
    (folder / "s_a001.xim").unlink()
    with pytest.raises(ValueError, match="found 2"):
        load(folder)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    folder = stack(tmp_path / "scan")
    (folder / "s_a001.xim").write_bytes(b"1\t" * 10**6)
    with pytest.raises(ValueError, match="cannot hold 4 x 5 numbers"):
        load(zipped(folder, tmp_path / "s.zip"))


def test_names_that_climb_out_of_the_archive_are_never_written(tmp_path):
    folder = stack(tmp_path / "scan")
    path = zipped(folder, tmp_path / "s.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../evil.hdr", "x")
    with pytest.raises(ValueError, match="`dataset` must name one of its 2 scans"):
        load(path)
    assert load(path, dataset="s").frames.shape == (3, 4, 5)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.zip", "scan"]


def test_damaged_archive(tmp_path):
    path = zipped(stack(tmp_path / "scan"), tmp_path / "s.zip")
    content = bytearray(path.read_bytes())
    at = content.find(b"s_a001.xim") + 30
    content[at : at + 10] = b"\xff" * 10
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"s\.zip: .*damaged"):
        load(path)


def test_folder_without_a_stack(tmp_path):
    with pytest.raises(ValueError, match=r"the folder holds no image .* and no STXM \.hdr"):
        load(tmp_path)


def test_real_stack(real):
    movie = load(real("stxm_fe_l23_als/71214078_raw.zip"))
    assert (movie.frames.shape, movie.axis, movie.units) == (
        (123, 125, 125),
        "energy",
        ("um", "eV", "counts"),
    )
    np.testing.assert_allclose(movie.domain.spacing, 0.08)
    np.testing.assert_allclose(movie.times, np.loadtxt(real("stxm_fe_l23_als/energy.txt")).reshape(-1), atol=2e-3)
    assert float(movie.frames[0, 0, 0]) == 353
    np.testing.assert_allclose((movie.frames.min(), movie.frames.max()), (25.4, 435.5), atol=0.1)


def test_a_name_of_nothing_in_an_archive_is_no_defect_of_ours(tmp_path):
    path = tmp_path / "s.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("s.hdr", header())
        archive.writestr("x", "1")
    # the name of the second member becomes empty: its length stands in the directory
    data = path.read_bytes()
    at = data.rfind(b"PK\x01\x02")
    data = data[: at + 28] + b"\0\0" + data[at + 30 : at + 46] + data[at + 47 :]
    end = data.rfind(b"PK\x05\x06")
    size = int.from_bytes(data[end + 12 : end + 16], "little") - 1
    path.write_bytes(data[: end + 12] + size.to_bytes(4, "little") + data[end + 16 :])
    with pytest.raises(ValueError, match=r"required; found 0|damaged"):
        load(path)
