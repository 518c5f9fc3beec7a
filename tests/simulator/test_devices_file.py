"""The devices file: what it may say, and how its defects are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanctl.simulator.device.devices_file import DevicesFileError, load_devices, parse_devices

HEAD = '[[device]]\nname = "a"\neui64 = "000d6f000b000001"\ntype = "ihd"\n'


def test_the_sample_is_valid_and_its_types_are_all() -> None:
    devices = load_devices(Path(__file__).parents[2] / "configs" / "devices.toml")
    assert [d.type for d in devices] == ["ppmid", "ihd", "hcalcs", "esme"]


def test_an_eui64_may_be_written_in_any_form_and_is_kept_in_one() -> None:
    assert parse_devices(HEAD)[0].eui64 == "00:0d:6f:00:0b:00:00:01"


@pytest.mark.parametrize(
    ("text", "named", "hint"),
    [
        (HEAD + "sleppy = true\n", "device 'a': there is an unknown key", "'sleepy'"),
        (HEAD + "[device.ota]\npage_mod = true\n", "device 'a', ota: there is an unknown key", "'page_mode'"),
        (HEAD + "[[device.power_cut]]\noffst = 5\n", "power_cut.0: there is an unknown key", "'offset'"),
        (HEAD + "zzzzzz = 1\n", "device 'a': there is an unknown key", "valid keys"),
        ("[[devise]]\n", "at the top: there is an unknown key", "'device'"),
        (HEAD.replace("ihd", "idh"), "device 'a', type", ""),
        (HEAD.replace("000d", "00d"), "device 'a', eui64: what was given is not an EUI64", ""),
        (HEAD + "running_version = -1\n", "running_version", ""),
        (HEAD + 'sleepy = "yes"\n', "sleepy", ""),
        (HEAD + "[[device.power_cut]]\noff_s = 5\n", "either offset or after_s", ""),
        ('[[device]]\nname = "a"\n', "eui64: is missing", ""),
        (HEAD + HEAD.replace('"a"', '"b"'), "two devices have the same eui64", ""),
        (HEAD + HEAD.replace("0001", "0002"), "two devices have the same name", ""),
        ("[[device", "is not TOML", ""),
    ],
)
def test_a_defect_is_one_line_that_names_it(text: str, named: str, hint: str) -> None:
    with pytest.raises(DevicesFileError) as error:
        parse_devices(text, "lab.toml")
    assert named in str(error.value) and str(error.value).startswith("lab.toml")
    assert hint in error.value.hint and error.value.hint
    assert "\n" not in str(error.value)


def test_an_install_code_is_checked_and_never_repeated() -> None:
    code = "83FED3407A939723A5C639B26916D505C3B6"
    with pytest.raises(DevicesFileError) as error:
        parse_devices(HEAD + f'install_code = "{code}"\n')
    assert "CRC" in str(error.value)
    assert code not in str(error.value) + error.value.hint
    good = parse_devices(HEAD + f'install_code = "{code[:-1]}5"\n')[0]
    assert code[:20] not in repr(good)
    assert good.link_key.hex() == "66b6900981e1ee3ca4206b6b861c02bb"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DevicesFileError, match="cannot read"):
        load_devices(tmp_path / "none.toml")
