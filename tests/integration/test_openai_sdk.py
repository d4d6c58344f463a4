# SPDX-License-Identifier: GPL-3.0-only
"""The running endpoint as the openai SDK and curl see it."""
import json
import urllib.request

import openai
import pytest
from processes import DEMO_MODEL, get_json, post

QUESTION = [{"role": "user", "content": "What is the capital of France? Answer in one sentence."}]


def test_models_lists_the_demo_model(openai_client):
    assert DEMO_MODEL in [model.id for model in openai_client.models.list()]
    assert openai_client.models.retrieve(DEMO_MODEL).id == DEMO_MODEL


def test_chat(openai_client):
    reply = openai_client.chat.completions.create(model=DEMO_MODEL, messages=QUESTION, temperature=0, max_tokens=40)
    assert "Paris" in reply.choices[0].message.content
    assert reply.choices[0].message.role == "assistant"
    assert reply.choices[0].finish_reason in ("stop", "length")
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_streamed_chat_equals_whole_chat(openai_client):
    options = dict(model=DEMO_MODEL, messages=QUESTION, temperature=0, max_tokens=40)
    whole = openai_client.chat.completions.create(**options)
    chunks = list(openai_client.chat.completions.create(**options, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == whole.choices[0].finish_reason
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_stream_arrives_in_pieces_and_ends_with_done(fleet):
    # Greedy: drawn at random, the whole answer may be one token.
    body = json.dumps({"model": DEMO_MODEL, "messages": QUESTION, "stream": True, "max_tokens": 20, "temperature": 0}).encode()
    request = urllib.request.Request(fleet.url + "/v1/chat/completions", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert response.headers["Cache-Control"] == "no-cache"
        frames = [line for line in response.read().split(b"\n\n") if line.startswith(b"data: ")]
    assert frames[-1] == b"data: [DONE]"
    assert len(frames) > 5


def test_completions(openai_client):
    reply = openai_client.completions.create(model=DEMO_MODEL, prompt="One, two, three, four,", temperature=0, max_tokens=6)
    assert "five" in reply.choices[0].text


def test_stop_string_is_not_emitted(openai_client):
    reply = openai_client.completions.create(model=DEMO_MODEL, prompt="One, two, three, four,", temperature=0,
                                             max_tokens=40, stop=["seven"])
    assert "six" in reply.choices[0].text and "seven" not in reply.choices[0].text
    assert reply.choices[0].finish_reason == "stop"


def test_equal_seeds_give_equal_text(openai_client):
    options = dict(model=DEMO_MODEL, messages=QUESTION, temperature=1.2, max_tokens=30)
    texts = [openai_client.chat.completions.create(**options, seed=seed).choices[0].message.content for seed in (7, 7, 8)]
    assert texts[0] == texts[1] != texts[2]


def test_unknown_model_is_404(openai_client):
    with pytest.raises(openai.NotFoundError) as caught:
        openai_client.chat.completions.create(model="no/such-model", messages=QUESTION)
    assert caught.value.code == "model_not_found"
    assert "no/such-model" in str(caught.value)


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b'"text"', b"\xff\xfe", b"[" * 100_000])
def test_body_that_is_not_json_is_400(fleet, body):
    status, answer = post(fleet.url + "/v1/chat/completions", body)
    assert status == 400
    assert answer["error"]["type"] == "invalid_request_error"
    assert answer["error"]["message"]


@pytest.mark.parametrize("change", [{"messages": "text"}, {"messages": []}, {"temperature": "hot"}, {"temperature": -1},
                                    {"max_tokens": -5}, {"top_p": 7}, {"stop": 3}, {"messages": [{"role": "user", "content": 5}]}])
def test_bad_parameters_are_400_and_named(fleet, change):
    status, answer = post(fleet.url + "/v1/chat/completions", {"model": DEMO_MODEL, "messages": QUESTION, "max_tokens": 4} | change)
    assert status == 400
    assert next(iter(change)) in answer["error"]["message"] + str(answer["error"].get("param"))


def test_too_long_a_prompt_is_400_with_the_words_that_clients_match(openai_client):
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.completions.create(model=DEMO_MODEL, prompt="word " * 20_000, max_tokens=4)
    assert caught.value.code == "context_length_exceeded"
    assert "maximum context length is" in str(caught.value)


def test_health_and_fleet(fleet):
    assert get_json(fleet.url + "/health")
    state = get_json(fleet.url + "/api/fleet")
    assert [node["name"] for node in state["nodes"]] == ["local"]
    assert state["nodes"][0]["status"] == "online"


def test_metrics_count_requests(fleet, openai_client):
    openai_client.completions.create(model=DEMO_MODEL, prompt="Hello", max_tokens=3)
    with urllib.request.urlopen(f"http://127.0.0.1:{fleet.metrics_port}/metrics", timeout=10) as response:
        text = response.read().decode()
    assert f'cortex_requests_total{{model="{DEMO_MODEL}",node="local"}}' in text.replace(", ", ",")
    assert "cortex_time_to_first_token_seconds_bucket" in text
