"""Whether a Chroma server answers; says nothing about its data."""

from __future__ import annotations

import httpx

ANSWER_S = 3.0


async def why_silent(url: str, headers: dict[str, str], *, answer_s: float = ANSWER_S) -> str:
    """Why a server does not answer; empty when it does.

    Args:
        url: of the server.
        headers: of each request; may hold a token.
        answer_s: how long it is waited for.
    """
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=answer_s) as client:
            answer = await client.get(f"{url.rstrip('/')}/api/v2/heartbeat", headers=headers)
            answer.raise_for_status()
    except httpx.HTTPStatusError as error:
        return f"Chroma answers with {error.response.status_code}"
    except httpx.TimeoutException:
        return f"Chroma does not answer within {answer_s:g} s"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"Chroma cannot be reached: {type(error).__name__}"
    return ""
