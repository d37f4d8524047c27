"""What the tests of the stock clients share: the `openstack` program in this process, and the SDK.

Credentials come from the `OS_*` variables, as an operator has them; the endpoint from the catalogue.
"""

import contextlib
import io
import json
import logging
import os
import time
import uuid
from importlib import metadata

from openstackclient import shell
from watcherclient import client as watcher

# What release 17 speaks at most; the client itself asks for 1.5 unless told.
NEWEST = "1.7"
# Where the client registers its commands for `openstack`.
COMMAND_GROUP = "openstack.infra_optim.v1"
# Far more than anything here takes.
PATIENCE_S = 60
# Another process is watched here, and there is nothing to be notified by.
POLL_S = 0.05

used_commands = set()


def known_commands():
    """The commands that the installed client brings, as they are typed."""
    return {entry.name.replace("_", " ") for entry in metadata.entry_points(group=COMMAND_GROUP)}


class CommandFailed(AssertionError):
    """An `openstack` command ended with an error."""


def run(*words):
    """Runs one `openstack optimize` command in this process. Returns (exit status, stdout, stderr)."""
    used_commands.update(name for name in known_commands() if name == " ".join(words[: len(name.split())]))
    # Each run sets up logging of its own, on the streams of that run.
    logging.getLogger().handlers.clear()
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = shell.main([str(word) for word in words])
        except SystemExit as end:
            status = end.code
    return status or 0, out.getvalue(), err.getvalue()


def openstack(*words):
    """Runs a command that must succeed, and returns what it printed: JSON if it has any."""
    printed = plain("--os-infra-optim-api-version", NEWEST, *words, *wants_json(words))
    return json.loads(printed) if printed.strip() else None


def plain(*words):
    """Runs a command that must succeed, and returns its output as a person sees it."""
    options = list(words)
    at = options.index("optimize")
    status, out, err = run_with_options(options[:at], options[at:])
    if status != 0:
        raise CommandFailed(f"openstack {' '.join(map(str, words))}: exit status {status}\n{err}")
    return out


def refused(*words):
    """Runs a command that must fail, and returns what it says about that."""
    status, out, err = run_with_options(["--os-infra-optim-api-version", NEWEST], list(words))
    if status == 0:
        raise CommandFailed(f"openstack {' '.join(map(str, words))} succeeded:\n{out}")
    return err


def run_with_options(options, words):
    used_commands.update(name for name in known_commands() if name.split() == words[: len(name.split())])
    return run(*options, *words)


def wants_json(words):
    """`-f json`, for commands that print something: all but the deletions."""
    return [] if words[2] == "delete" else ["-f", "json"]


def sdk(version=NEWEST):
    """The Python SDK with the same credentials."""
    return watcher.get_client(
        "1",
        os_infra_optim_api_version=version,
        os_auth_url=os.environ["OS_AUTH_URL"],
        os_username=os.environ["OS_USERNAME"],
        os_password=os.environ["OS_PASSWORD"],
        os_project_name=os.environ["OS_PROJECT_NAME"],
        os_user_domain_name=os.environ.get("OS_USER_DOMAIN_NAME", "Default"),
        os_project_domain_name=os.environ.get("OS_PROJECT_DOMAIN_NAME", "Default"),
        os_region_name=os.environ.get("OS_REGION_NAME"),
    )


def wait(look, *states):
    """Asks `look` for a row until its state is one of these, and returns the row."""
    end = time.monotonic() + PATIENCE_S
    while True:
        row = look()
        if row.state in states:
            return row
        if row.state in ("FAILED", "CANCELLED", "SUCCEEDED"):
            raise AssertionError(f"{row.uuid} ended {row.state}, not {states}: {getattr(row, 'status_message', None)}")
        if time.monotonic() > end:
            raise AssertionError(f"{row.uuid} is {row.state} after {PATIENCE_S} s, not {states}")
        time.sleep(POLL_S)


def plan_of_nops(client):
    """A recommended plan without effect on the cloud: audit and plan."""
    audit = client.audit.create(
        goal="dummy", strategy="dummy", audit_type="ONESHOT", parameters={"para1": 1.0}, name=fresh("plan")
    )
    wait(lambda: client.audit.get(audit.uuid), "SUCCEEDED")
    (plan,) = client.action_plan.list(audit=audit.uuid)
    return audit, plan


def fresh(name):
    """A name that nobody has."""
    return f"{name}-{uuid.uuid4()}"
