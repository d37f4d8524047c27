"""Runs the stock watcher-tempest-plugin against the optimization service of an OpenStack.

usage: suite.py endpoint
       suite.py run --folder FOLDER [--api] [--scenarios] [--conf FILE] [REGEX]

Credentials of an administrator come from `OS_*`. `endpoint` prints where the catalogue has the service; `run` writes a
tempest.conf from what the cloud has, runs the tests, prints what came of each, and fails unless that is what release 17 of the
original gives.
"""

import argparse
import configparser
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import openstack
import subunit
import testtools
from keystoneauth1.exceptions.catalog import EndpointNotFound

SERVICE_TYPE = "infra-optim"
API = "watcher_tempest_plugin.tests.api"
API_TESTS = 61
# What the original skips too: the plugin says so itself, or it needs an option that is off unless an operator sets it.
SKIPPED_UPSTREAM = {
    "watcher_tempest_plugin.tests.api.admin.test_audit.TestShowListAudit.test_list_with_limit",
    "setUpClass (watcher_tempest_plugin.tests.scenario.test_data_model.TestDataModelWithExtendedAttributes)",
}
# Scenarios that need nothing but the API, Nova and what this service has: no metric source, no volumes.
SCENARIOS = [
    "test_execute_dummy_optim",
    "test_data_model",
    "test_execute_skipped_actions.TestExecuteSkippedActionsInstances.test_migrate",
    "test_execute_skipped_actions.TestExecuteSkippedActionsInstances.test_nova_service_state_change",
    "test_execute_skipped_actions.TestExecuteSkippedActionsInstances.test_resize",
]
SCENARIO_TESTS = 10
# How a test of the plugin may take: it waits this long itself.
PATIENCE_S = 120
SUMMARY_WIDTH = 160


def connect():
    return openstack.connect(cloud="envvars")


def endpoint_of(cloud, kind):
    """Where the catalogue has a service, if it has one."""
    region = cloud.config.get_region_name() or None
    try:
        return cloud.session.get_endpoint(service_type=kind, interface="public", region_name=region)
    except EndpointNotFound:
        return None


def endpoint():
    cloud = connect()
    url = endpoint_of(cloud, SERVICE_TYPE)
    if not url:
        region = cloud.config.get_region_name() or "any region"
        sys.exit(f"the catalogue has no public endpoint of {SERVICE_TYPE} in {region}: register the service there first")
    print(url)


def settings(cloud, folder):
    """The tempest.conf of this cloud, as sections of texts."""
    region = cloud.config.get_region_name() or ""

    def newest(proxy, fallback):
        version = proxy.get_endpoint_data().max_microversion
        return ".".join(map(str, version)) if version else fallback

    has = {kind: endpoint_of(cloud, kind) is not None for kind in ("compute", "image", "network", "placement", "block-storage")}
    conf = {
        "DEFAULT": {"log_file": str(folder / "tempest.log")},
        "oslo_concurrency": {"lock_path": str(folder / "lock")},
        "auth": {
            "use_dynamic_credentials": "true",
            "create_isolated_networks": "false",
            "admin_username": os.environ["OS_USERNAME"],
            "admin_password": os.environ["OS_PASSWORD"],
            "admin_project_name": os.environ["OS_PROJECT_NAME"],
            "admin_domain_name": os.environ.get("OS_USER_DOMAIN_NAME", "Default"),
        },
        "identity": {"auth_version": "v3", "uri_v3": os.environ["OS_AUTH_URL"], "region": region},
        "service_available": {
            "nova": has["compute"],
            "glance": has["image"],
            "neutron": has["network"],
            "cinder": has["block-storage"],
            "swift": False,
            "horizon": False,
            "watcher": True,
        },
        "validation": {"run_validation": False},
        "optimize": {
            "datasource": "",
            "min_microversion": "1.0",
            "max_microversion": "latest",
            "resource_timeout": PATIENCE_S,
            "model_timeout": PATIENCE_S,
            "openstack_type": "devstack",
            "run_continuous_audit_tests": True,
            "run_skipped_action_tests": True,
        },
        # Scenarios only look whether this is set.
        "network": {"public_network_id": "00000000-0000-0000-0000-000000000000"},
    }
    if has["compute"]:
        # Any will do as long as it is small, and the same in every run.
        flavors = sorted(cloud.compute.flavors(), key=lambda flavor: (flavor.ram, flavor.vcpus, flavor.disk, flavor.name))
        hosts = [s for s in cloud.compute.services(binary="nova-compute") if s.state == "up" and s.status == "enabled"]
        conf["compute"] = {
            "min_compute_nodes": len(hosts),
            "max_microversion": newest(cloud.compute, "2.90"),
            "flavor_ref": flavors[0].id if flavors else "none",
            "flavor_ref_alt": flavors[min(1, len(flavors) - 1)].id if flavors else "none",
        }
        conf["compute-feature-enabled"] = {"cold_migration": True, "live_migration": True, "resize": True}
    if has["compute"] and has["image"]:
        images = sorted(cloud.image.images(status="active"), key=lambda image: (image.size or 0, image.name))
        reference = images[0].id if images else "none"
        conf["compute"] |= {"image_ref": reference, "image_ref_alt": reference}
    if has["compute"] and has["network"]:
        networks = sorted((n for n in cloud.network.networks() if not n.is_router_external), key=lambda n: n.name)
        shared = [n for n in networks if n.is_shared] or networks
        if shared:
            conf["compute"]["fixed_network_name"] = shared[0].name
    if has["placement"]:
        conf["placement"] = {"min_microversion": "1.6", "max_microversion": newest(cloud.placement, "1.39")}
    return conf


def write_conf(conf, more, path):
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_dict({section: {name: str(value) for name, value in values.items()} for section, values in conf.items()})
    if more:
        with open(more) as file:
            parser.read_file(file)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        parser.write(file)


def patterns(options):
    if options.regex:
        return [options.regex]
    api = [API] if options.api or not options.scenarios else []
    return api + [f"watcher_tempest_plugin.tests.scenario.{name}" for name in SCENARIOS if options.scenarios]


def run(options):
    folder = Path(options.folder).resolve()
    (folder / "etc").mkdir(parents=True, exist_ok=True)
    write_conf(settings(connect(), folder), options.conf, folder / "etc" / "tempest.conf")
    import tempest  # noqa: PLC0415  only its place is of interest

    top = Path(tempest.__file__).parent
    (folder / ".stestr.conf").write_text(f"[DEFAULT]\ntest_path={top}/test_discover\ntop_dir={top.parent}\n")
    programs = Path(sys.executable).parent
    environment = os.environ | {
        "TEMPEST_CONFIG_DIR": str(folder / "etc"),
        "OS_LOG_CAPTURE": "1",
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }
    words = [programs / "tempest", "run", "--serial", "--regex", "|".join(f"({text})" for text in patterns(options))]
    begin = time.monotonic()
    with open(folder / "run.log", "w") as log, subprocess.Popen(
        words, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        for line in process.stdout:
            log.write(line)
            if " ... " in line:
                print("  " + line.strip().removeprefix("{0} ").replace("watcher_tempest_plugin.tests.", ""), flush=True)
    return report(results(programs, folder, environment), folder, options, time.monotonic() - begin)


def results(programs, folder, environment):
    """Every test of the last run with its status and what it says about that."""
    stream = subprocess.run(
        [programs / "stestr", "last", "--subunit"], cwd=folder, env=environment, stdout=subprocess.PIPE, check=False
    ).stdout
    (folder / "run.subunit").write_bytes(stream)
    found = []
    sink = testtools.StreamToDict(found.append)
    sink.startTestRun()
    with open(folder / "run.subunit", "rb") as file:
        subunit.ByteStreamToStreamResult(file, non_subunit_name="output").run(sink)
    sink.stopTestRun()
    return [
        {
            "name": test["id"].split("[")[0],
            "status": {"success": "passed", "skip": "skipped"}.get(test["status"], "failed"),
            "says": "\n".join(
                content.as_text().strip()
                for name, content in test["details"].items()
                if name in ("reason", "traceback", "traceback-1") and content.content_type.type == "text"
            ),
        }
        for test in found
        if test["id"] and test["status"] not in ("exists", "inprogress")
    ]


def report(tests, folder, options, seconds):
    (folder / "results.json").write_text(json.dumps(tests, indent=1))
    by = {status: [test for test in tests if test["status"] == status] for status in ("passed", "skipped", "failed")}
    print(f"\n{len(by['passed'])} passed, {len(by['skipped'])} skipped, {len(by['failed'])} failed in {seconds:.0f} s")
    for status in ("skipped", "failed"):
        for test in by[status]:
            last = (test["says"].splitlines() or [""])[-1].strip()
            print(f"  {status:8} {test['name']}\n           {last[:SUMMARY_WIDTH]}")
    problems = [f"{len(by['failed'])} tests failed"] if by["failed"] else []
    surprising = [test["name"] for test in by["skipped"] if test["name"] not in SKIPPED_UPSTREAM]
    if surprising:
        problems.append(f"skipped although the original runs them: {', '.join(surprising)}")
    expected = API_TESTS * options.api + SCENARIO_TESTS * options.scenarios if not options.regex else 1
    if len(tests) < expected:
        problems.append(f"only {len(tests)} tests ran, {expected} were expected")
    print(f"details: {folder}/run.log and results.json")
    if problems:
        print("NOT CONFORMANT: " + "; ".join(problems))
        return 1
    print("conformant: as release 17 of the original")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("endpoint")
    run_parser = commands.add_parser("run")
    run_parser.add_argument("--folder", required=True)
    run_parser.add_argument("--api", action="store_true")
    run_parser.add_argument("--scenarios", action="store_true")
    run_parser.add_argument("--conf")
    run_parser.add_argument("regex", nargs="?")
    options = parser.parse_args()
    if options.command == "endpoint":
        return endpoint()
    return run(options)


if __name__ == "__main__":
    sys.exit(main())
