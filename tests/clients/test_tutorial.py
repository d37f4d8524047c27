"""Section 5 of the plugin tutorial, word by word: the stock client uses a strategy that was just uploaded."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import sdk, wait

TUTORIAL = Path(__file__).parents[2] / "docs/plugins/tutorial.md"


def blocks(section, following):
    """The blocks of commands of a section."""
    part = TUTORIAL.read_text().split(f"## {section}. ", 1)[1].split(f"## {following}. ", 1)[0]
    return [block.split("```", 1)[0] for block in part.split("```sh\n")[1:]]


def shell(folder, commands):
    """Runs commands that must succeed where the stock client and this service's program are found, and returns what they printed."""
    programs = [str(Path(sys.executable).parent), str(Path(os.environ["WATCHER_HOST"]).parent)]
    path = os.pathsep.join([*programs, os.environ["PATH"]])
    ended = subprocess.run(
        ["sh", "-ec", commands], cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    if ended.returncode != 0:
        raise AssertionError(f"{commands}\n{ended.stdout}{ended.stderr}")
    return ended.stdout


@unittest.skipUnless("WATCHER_HOST" in os.environ, "WATCHER_HOST names the program that builds plugins")
class Tutorial(unittest.TestCase):
    """An author with the stock client."""

    def test_the_stock_client_uses_an_uploaded_strategy_as_the_tutorial_says(self):
        install, create, start = blocks(5, 6)
        self.assertIn("pip install", install, "what this environment has is not installed again")
        with tempfile.TemporaryDirectory() as folder:
            shell(folder, "watcher-host plugin new calm-down --kind strategy; cd calm-down; watcher-host plugin build")
            shell(Path(folder, "calm-down"), "watcher-host plugin push calm_down.wasm")
            shell(folder, create)
            client = sdk()
            wait(lambda: client.audit.get("calm"), "SUCCEEDED")
            printed = shell(folder, start)
        self.assertIn("migrate", printed)
        (plan,) = client.action_plan.list(audit=client.audit.get("calm").uuid)
        wait(lambda: client.action_plan.get(plan.uuid), "SUCCEEDED")
