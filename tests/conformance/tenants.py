"""Makes two projects with a member each in an OpenStack, plays the story of two projects with their tokens, and removes them.

usage: tenants.py PROGRAM ADDRESS

Credentials of an administrator come from `OS_*`. PROGRAM plays the story against the service at ADDRESS (`host:port`), and reads from
its standard input who is who. What was made is removed in any case.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import uuid

import openstack


def make(administrator, domain, role, made):
    """A project and its member; returns a connection of the member."""
    name = f"watcher-conformance-{uuid.uuid4()}"
    password = secrets.token_urlsafe(24)
    identity = administrator.identity
    project = identity.create_project(name=name, domain_id=domain, description="of a test that removes it")
    made.append((identity.delete_project, project))
    user = identity.create_user(name=name, password=password, domain_id=domain, default_project_id=project.id)
    made.append((identity.delete_user, user))
    identity.assign_project_role_to_user(project, user, role)
    return openstack.connect(
        load_envvars=False,
        load_yaml_config=False,
        auth_url=os.environ["OS_AUTH_URL"],
        username=name,
        password=password,
        project_id=project.id,
        user_domain_id=domain,
        region_name=os.environ.get("OS_REGION_NAME"),
        cacert=os.environ.get("OS_CACERT"),
    )


def who(connection):
    return {"token": connection.session.get_token(), "project": connection.session.get_project_id()}


def main(program, address):
    # Being stopped is no reason to leave something behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    administrator = openstack.connect(cloud="envvars")
    domain = administrator.identity.get_project(administrator.session.get_project_id()).domain_id
    role = administrator.identity.find_role("member", ignore_missing=False)
    made = []
    try:
        members = [make(administrator, domain, role, made) for _ in range(2)]
        alice, bob = map(who, members)
        cast = {"address": address, "alice": alice, "bob": bob, "admin": who(administrator)}
        return subprocess.run([program], input=json.dumps(cast), text=True, check=False).returncode
    finally:
        for remove, thing in reversed(made):
            try:
                remove(thing)
            except openstack.exceptions.SDKException as error:
                print(f"{thing.name} could not be removed: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
