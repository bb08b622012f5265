"""A consent service of a process of its own: `python -m tests.flows.consent_service_app NAME PORT ISSUER DIRECTORY`.

How it answers is what the file NAME in DIRECTORY says at that moment: "all", "readonly", "no", or "hang".
"""

import asyncio
import sys
from pathlib import Path

import uvicorn

from authwright import ConsentAnswer, ConsentRequest, ConsentRouter

BASE = "https://apis.example.com/auth/"


def main(name: str, port: str, issuer: str, directory: str) -> None:
    said = Path(directory) / name
    root = BASE + name

    async def decide(request: ConsentRequest) -> ConsentAnswer:
        match said.read_text():
            case "all":
                return request.allow(claims={"said": "all"}, payload={"of": name})
            case "readonly":
                return request.allow([f"{root}.readonly"], claims={"said": "readonly"})
            case "no":
                return request.deny("not any more")
        await asyncio.sleep(60)
        return request.deny()

    router = ConsentRouter(
        f"http://127.0.0.1:{port}", issuer=issuer, scopes=[root, f"{root}.readonly"], decide=decide
    )
    uvicorn.run(router.asgi, host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
