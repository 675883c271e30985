"""Findings are remembered while nothing that they rest on has changed."""

import os

import pytest

from adapters.guest.contract import Missing, Runtime
from adapters.guest.found import find


class Counting:
    """A guest that counts how often it is asked to look."""

    language = "toy"

    def __init__(self, answer):
        self.answer = answer
        self.looked = 0

    def find(self):
        self.looked += 1
        return self.answer


@pytest.fixture
def guest(tmp_path):
    """A guest whose runtime is one program and one folder."""
    program, library = tmp_path / "toy", tmp_path / "lib"
    program.write_text("toy")
    library.mkdir()
    return Counting(Runtime("toy", "1.0", program, {program: "/bin/toy", library: "/lib/toy"}, ("/lib/toy/masked",)))


def test_the_second_look_is_remembered(guest, tmp_path):
    """What was found is given again, equal in all its parts, without looking."""
    assert find(guest, tmp_path / "state") == find(guest, tmp_path / "state") == guest.answer
    assert guest.looked == 1


@pytest.mark.parametrize("change", ["program", "folder", "gone", "path", "damaged"])
def test_any_change_means_looking_again(guest, tmp_path, monkeypatch, change):
    """A changed program, a changed folder, one that is gone, another PATH and a damaged record are each noticed."""
    find(guest, tmp_path / "state")
    if change == "program":
        (tmp_path / "toy").write_text("toy 2")
    elif change == "folder":
        (tmp_path / "lib" / "new.so").touch()
        os.utime(tmp_path / "lib", ns=(1, 1))
    elif change == "gone":
        (tmp_path / "lib").rmdir()
    elif change == "path":
        monkeypatch.setenv("PATH", "/somewhere/else")
    else:
        (tmp_path / "state" / "found-toy.json").write_text('{"runtime": 3')
    find(guest, tmp_path / "state")
    assert guest.looked == 2


def test_what_is_missing_is_looked_for_each_time(tmp_path):
    """A runtime that is installed later is found at the next start."""
    guest = Counting(Missing("no toy.", "apt-get install toy"))
    find(guest, tmp_path)
    find(guest, tmp_path)
    assert guest.looked == 2


def test_a_folder_that_cannot_be_written_costs_only_time(guest, tmp_path):
    """Where nothing can be kept the answer is the same."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert find(guest, blocked / "state") == guest.answer
