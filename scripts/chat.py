#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-only
"""Streams one chat reply from an OpenAI-compatible endpoint, with nothing but Python's standard library.

Prints the reply as it arrives, then its length and speed on standard error. Exit status 0 only for a whole,
non-empty reply that arrived in more than one piece.
"""
import argparse
import json
import sys
import time
import urllib.error
import urllib.request


# An endpoint of one's own is not asked through the proxy that the environment names for the world outside.
urlopen = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def parse_arguments():
    parser = argparse.ArgumentParser(description="Stream one chat reply from a Cortex endpoint.")
    parser.add_argument("--url", default="http://127.0.0.1:31313/v1", help="base URL (default: %(default)s)")
    parser.add_argument("--model", help="model id (default: the first that the endpoint lists)")
    parser.add_argument("--max-tokens", type=int, default=200, help="longest reply (default: %(default)s)")
    parser.add_argument("question")
    return parser.parse_args()


def first_model(url):
    with urlopen(url + "/models", timeout=10) as response:
        models = json.load(response)["data"]
    if not models:
        sys.exit(f"chat.py: {url} lists no model; load one with: cortex load MODEL")
    return models[0]["id"]


def stream(url, model, question, max_tokens):
    """Yields the parsed data frames of one streamed chat completion."""
    body = {"model": model, "stream": True, "stream_options": {"include_usage": True}, "temperature": 0,
            "max_tokens": max_tokens, "messages": [{"role": "user", "content": question}]}
    request = urllib.request.Request(url + "/chat/completions", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urlopen(request, timeout=300) as response:
        for line in response:
            if line.startswith(b"data: [DONE]"):
                return
            if line.startswith(b"data: "):
                frame = json.loads(line[6:])
                if "error" in frame:
                    sys.exit("chat.py: " + frame["error"]["message"])
                yield frame
    sys.exit("chat.py: the stream ended before [DONE]")


def main():
    arguments = parse_arguments()
    model = arguments.model or first_model(arguments.url)
    pieces, usage, timings, started, first = 0, {}, {}, time.monotonic(), None
    for frame in stream(arguments.url, model, arguments.question, arguments.max_tokens):
        usage = frame.get("usage") or usage
        timings = frame.get("timings") or timings
        for choice in frame["choices"]:
            text = choice["delta"].get("content")
            if text:
                first = first or time.monotonic()
                pieces += 1
                print(text, end="", flush=True)
    print(flush=True)
    if pieces < 2:
        sys.exit(f"chat.py: the reply of {model} came in {pieces} pieces, so it was not streamed")
    seconds = time.monotonic() - first
    tokens = usage.get("completion_tokens", pieces)
    # A short reply may arrive in one burst; what the server measured itself is the truth.
    speed = timings.get("predicted_per_second") or (tokens - 1) / seconds
    print(f"[{model}: {tokens} tokens, first after {first - started:.2f} s, {speed:.1f} tokens/s]", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except urllib.error.HTTPError as error:
        sys.exit(f"chat.py: {error.url} answered {error.code}: {error.read().decode(errors='replace')}")
    except urllib.error.URLError as error:
        sys.exit(f"chat.py: cannot reach the endpoint: {error.reason}; is it running? (scripts/quickstart)")
