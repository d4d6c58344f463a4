# SPDX-License-Identifier: GPL-3.0-only
"""`neuron pull` and the reference client huggingface_hub against the same hub and the same cache."""
import hashlib
import os
import pathlib
import random
import signal
import subprocess
import time

import pytest
from fakehub import COMMIT, FakeHub
from processes import BIN, run, wait_until

REPOSITORY = "acme/tiny-GGUF"
BIG = "tiny.Q4_K_M.gguf"


@pytest.fixture
def hub():
    with FakeHub(page_size=2) as hub:
        noise = random.Random(1)
        hub.add(REPOSITORY, BIG, noise.randbytes(3_000_000))
        hub.add(REPOSITORY, "tiny.Q8_0.gguf", noise.randbytes(1_000_000))
        hub.add(REPOSITORY, "mmproj-tiny-f16.gguf", noise.randbytes(200_000))
        hub.add(REPOSITORY, "README.md", b"# tiny\n")
        for part in (1, 2, 3):
            hub.add(REPOSITORY, f"split/tiny.Q2_K-{part:05}-of-00003.gguf", noise.randbytes(300_000))
        hub.add("acme/tiny", "config.json", b'{"model_type": "llama"}')
        hub.add("acme/tiny", "tokenizer.json", b"{}")
        hub.add("acme/tiny", "model.safetensors", noise.randbytes(500_000))
        hub.add("acme/tiny", "pytorch_model.bin", noise.randbytes(500_000))
        yield hub


@pytest.fixture
def environment(hub, tmp_path):
    """Of a user whose hub is ours and whose cache is empty."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return kept | {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1",
                   "HF_HUB_DISABLE_TELEMETRY": "1"}


def pull(environment, *arguments):
    return run("neuron", "pull", *arguments, env=environment)


def cache(environment, repository=REPOSITORY):
    return pathlib.Path(environment["HF_HOME"], "hub", "models--" + repository.replace("/", "--"))


def snapshot_files(environment, repository=REPOSITORY):
    root = cache(environment, repository) / "snapshots"
    return sorted(str(path.relative_to(root / COMMIT)) for path in root.rglob("*") if not path.is_dir())


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def reference_client(environment, code):
    """Runs huggingface_hub in a process of its own, since it reads its environment at import."""
    import sys
    result = subprocess.run([sys.executable, "-c", f"import huggingface_hub as h\n{code}"], env=environment,
                            capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_pull_prefers_q4_k_m_and_leaves_the_standard_layout(hub, environment):
    result = pull(environment, REPOSITORY)
    assert result.returncode == 0, result.stderr
    assert [name for name in snapshot_files(environment) if name.endswith(".gguf")] == [BIG]
    link = cache(environment) / "snapshots" / COMMIT / BIG
    assert link.is_symlink() and not os.path.isabs(os.readlink(link))
    assert sha256(link) == hub.repositories[REPOSITORY][BIG].etag == link.resolve().name
    assert (cache(environment) / "refs/main").read_text() == COMMIT
    assert not list(cache(environment).rglob("*.incomplete"))


def test_quant_is_chosen_without_case_and_split_files_come_whole(hub, environment):
    assert pull(environment, REPOSITORY + ":q8_0").returncode == 0
    assert "tiny.Q8_0.gguf" in snapshot_files(environment)
    assert pull(environment, REPOSITORY + ":Q2_K").returncode == 0
    assert len([name for name in snapshot_files(environment) if name.startswith("split/")]) == 3


def test_safetensors_repository_fetches_what_is_needed_and_no_more(hub, environment):
    assert pull(environment, "acme/tiny").returncode == 0
    assert snapshot_files(environment, "acme/tiny") == ["config.json", "model.safetensors", "tokenizer.json"]


def test_reference_client_finds_what_pull_fetched(hub, environment):
    assert pull(environment, REPOSITORY).returncode == 0
    before = len(hub.transferred())
    path = reference_client(environment, f"print(h.hf_hub_download({REPOSITORY!r}, {BIG!r}))")
    assert sha256(pathlib.Path(path)) == hub.repositories[REPOSITORY][BIG].etag
    assert len(hub.transferred()) == before
    assert reference_client(environment, f"print(h.hf_hub_download({REPOSITORY!r}, {BIG!r}, local_files_only=True))") == path


def test_pull_finds_what_the_reference_client_fetched(hub, environment):
    reference_client(environment, f"h.hf_hub_download({REPOSITORY!r}, {BIG!r})")
    before = len(hub.transferred())
    result = pull(environment, REPOSITORY + ":Q4_K_M")
    assert result.returncode == 0, result.stderr
    assert len(hub.transferred()) == before


def test_a_broken_transfer_is_resumed_where_it_broke(hub, environment):
    hub.break_after = 1_000_000
    result = pull(environment, REPOSITORY)
    assert result.returncode == 0, result.stderr
    ranges = [ranges for path, ranges in hub.transferred() if BIG in path]
    assert ranges[0] is None or ranges[0] == "bytes=0-"
    assert int(ranges[-1].removeprefix("bytes=").split("-")[0]) >= 900_000
    assert sha256(cache(environment) / "snapshots" / COMMIT / BIG) == hub.repositories[REPOSITORY][BIG].etag


@pytest.mark.parametrize("moment", [0.0, 0.1, 0.25, 0.45])
def test_a_killed_fetch_leaves_nothing_that_looks_complete_and_resumes(hub, environment, moment):
    hub.slow = 0.015
    process = subprocess.Popen([BIN / "neuron", "pull", REPOSITORY], env=environment, stderr=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL)
    wait_until(lambda: hub.transferred(), "the transfer to begin")
    time.sleep(moment)  # the moment of the kill is the parameter of the test
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert BIG not in snapshot_files(environment)
    hub.slow = 0
    assert pull(environment, REPOSITORY).returncode == 0
    assert sha256(cache(environment) / "snapshots" / COMMIT / BIG) == hub.repositories[REPOSITORY][BIG].etag
    if moment >= 0.25:
        assert hub.transferred()[-1][1], "the second fetch should have resumed"


def test_an_expired_address_is_asked_for_again(hub, environment):
    hub.expire_next = True
    assert pull(environment, REPOSITORY).returncode == 0
    assert sha256(cache(environment) / "snapshots" / COMMIT / BIG) == hub.repositories[REPOSITORY][BIG].etag


def test_a_store_that_ignores_ranges_starts_from_zero(hub, environment):
    hub.ignore_ranges = True
    hub.break_after = 1_000_000
    assert pull(environment, REPOSITORY).returncode == 0
    assert sha256(cache(environment) / "snapshots" / COMMIT / BIG) == hub.repositories[REPOSITORY][BIG].etag


def test_a_store_that_never_gets_further_is_given_up(hub, environment):
    hub.ignore_ranges = True
    hub.break_after = 1_000_000
    hub.break_always = True
    result = pull(environment, REPOSITORY)
    assert result.returncode == 1
    assert len([path for path, _ in hub.transferred() if BIG in path]) == 6
    hub.break_always = False  # what came is kept, and is not lost to the next try
    hub.ignore_ranges = False
    hub.break_after = None
    assert pull(environment, REPOSITORY).returncode == 0


def test_a_cut_fetch_of_safetensors_is_no_model(hub, environment):
    tokenizer = hub.repositories["acme/tiny"]["tokenizer.json"]
    hub.repositories["acme/tiny"] = {"model.safetensors": hub.repositories["acme/tiny"]["model.safetensors"],
                                     "config.json": hub.repositories["acme/tiny"]["config.json"],
                                     "tokenizer.json": tokenizer}
    tokenizer.etag = "0" * 40  # what comes is not what was announced
    assert pull(environment, "acme/tiny").returncode == 1
    assert "model.safetensors" not in snapshot_files(environment, "acme/tiny")


def test_damaged_bytes_are_refused(hub, environment):
    hub.flip_bytes = True
    result = pull(environment, REPOSITORY)
    assert result.returncode == 1
    assert BIG in result.stderr and "SHA-256" in result.stderr
    assert BIG not in snapshot_files(environment)


def test_rate_limit_is_waited_out(hub, environment):
    hub.rate_limit = 2
    assert pull(environment, REPOSITORY).returncode == 0


def test_token_goes_to_the_endpoint_only(hub, environment):
    hub.token = "hf_secret"
    hub.gated.add(REPOSITORY)
    assert pull(environment | {"HF_TOKEN": "hf_secret"}, REPOSITORY).returncode == 0
    assert all(not authorization for host, *_, authorization in hub.log if host == "store")


@pytest.mark.parametrize("repository, needles", [
    ("acme/none", ["acme/none", "not found"]),
    (REPOSITORY + ":Q3_K_S", ["Q3_K_S", "Q4_K_M", "Q8_0"]),
    ("no-slash", ["no-slash", "ORG/NAME"]),
    ("../../etc/passwd", ["ORG/NAME"]),
])
def test_what_cannot_be_had_is_said_clearly(hub, environment, repository, needles):
    result = pull(environment, repository)
    assert result.returncode in (1, 2)
    for needle in needles:
        assert needle.lower() in result.stderr.lower()


def test_gated_repository_says_where_to_accept_the_terms(hub, environment):
    hub.gated.add(REPOSITORY)
    result = pull(environment, REPOSITORY)
    assert result.returncode == 1
    assert f"{hub.endpoint}/{REPOSITORY}" in result.stderr


def test_offline_asks_nothing(hub, environment):
    assert pull(environment, REPOSITORY).returncode == 0
    asked = len(hub.log)
    assert pull(environment | {"HF_HUB_OFFLINE": "1"}, REPOSITORY).returncode == 0
    assert pull(environment | {"HF_HUB_OFFLINE": "1"}, "acme/tiny").returncode == 1
    assert len(hub.log) == asked


def test_renamed_repository_is_followed(hub, environment):
    hub.renamed["acme/old-GGUF"] = REPOSITORY
    result = pull(environment, "acme/old-GGUF")
    assert result.returncode == 0, result.stderr


def test_a_path_that_leaves_the_cache_is_refused(hub, environment):
    hub.add("acme/evil-GGUF", "../../../evil.Q4_K_M.gguf", b"x" * 200_000)
    assert pull(environment, "acme/evil-GGUF").returncode == 1
    assert not list(pathlib.Path(environment["HF_HOME"]).rglob("evil*"))


def test_a_full_disk_is_said_and_nothing_is_lost(hub, environment, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        result = pull(environment | {"HF_HOME": str(small)}, REPOSITORY)
        assert result.returncode == 1
        assert "space" in result.stderr.lower() and str(small) in result.stderr
        assert not [path for path in small.rglob("*.gguf")]
    finally:
        subprocess.run(["umount", small], check=True)
