"""The process that makes an open-loop load: `benchmarks.serving.load.open_loop` starts it.

usage: python -m benchmarks.serving.arrivals URL BODY CONTENT_TYPE RATE SECONDS. Prints the answers, as JSON.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import aiohttp
import uvloop

from benchmarks.serving.load import TIMEOUT_SECONDS, Answer, Request


async def send_all(request: Request, rate: float, seconds: float) -> list[Answer]:
    """Send at a constant rate, whatever becomes of the requests, and return what became of them."""
    body = request.body.read_bytes()
    headers = {"Content-Type": request.content_type}
    answers: list[Answer] = []
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        started = time.perf_counter()

        async def send(due: float) -> None:
            status, retry_after = 0, False
            try:
                async with session.post(request.url, data=body, headers=headers) as response:
                    await response.read()
                    status, retry_after = response.status, "Retry-After" in response.headers
            except (aiohttp.ClientError, TimeoutError, OSError):
                status = 0
            answers.append(Answer(due, time.perf_counter() - started - due, status, retry_after))

        tasks = []
        for number in range(round(rate * seconds)):
            due = number / rate
            if (early := due - (time.perf_counter() - started)) > 0:
                await asyncio.sleep(early)
            tasks.append(asyncio.create_task(send(due)))
        await asyncio.gather(*tasks)
    return answers


def main() -> None:
    url, body, content_type, rate, seconds = sys.argv[1:]
    answers = uvloop.run(send_all(Request(url, Path(body), content_type), float(rate), float(seconds)))
    print(json.dumps([asdict(answer) for answer in answers]))


if __name__ == "__main__":
    main()
