"""Every script of the link, as dash and shellcheck read it; and that it is packed with the tool."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chatops.targets.vps import client
from tests.needs import need

SCRIPTS = sorted(Path(client.__file__).parent.glob("*.sh"))
BESIDE_PYTHON = str(Path(sys.executable).parent)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_sound(script: Path) -> None:
    subprocess.run(["sh", "-n", script], check=True, timeout=10)
    subprocess.run([need("shellcheck", "shellcheck", BESIDE_PYTHON), "-s", "sh", script], check=True, timeout=60)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is missing; `apt-get install bash` enables this test")
def test_a_script_is_sound_for_other_shells(script: Path) -> None:
    subprocess.run(["bash", "--posix", "-n", script], check=True, timeout=10)


def test_what_perl_reads_is_sound() -> None:
    for script in Path(client.__file__).parent.glob("*.pl"):
        subprocess.run([need("perl", "perl"), "-wc", script], check=True, timeout=10)
