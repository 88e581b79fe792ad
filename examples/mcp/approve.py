"""Ask a question that an MCP server answers: `python approve.py http://127.0.0.1:8000/mcp "…"`.

Every call is shown before it is made, and made if you say yes. Set `ANTIPHON_URL` and
`ANTIPHON_KEY` for a server elsewhere, and `MCP_TOKEN` if the MCP server wants one.
"""

import asyncio
import os
import sys
from typing import Any

from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

MODEL = os.environ.get("ANTIPHON_MODEL", "gpt-realtime")


async def decide(connection: AsyncRealtimeConnection, request: Any) -> None:
    print(f"Call {request.name}({request.arguments})? [y/n] ", end="", flush=True)
    said = await asyncio.to_thread(sys.stdin.readline)
    answer: Any = {
        "type": "mcp_approval_response",
        "id": f"mcp_approval_{request.id}",
        "approval_request_id": request.id,
        "approve": said.strip().lower().startswith("y"),
    }
    await connection.conversation.item.create(item=answer)


async def follow(connection: AsyncRealtimeConnection, event: Any, question: str) -> bool:
    """Do what an event asks for; tell whether the question has its answer."""
    match event.type:
        case "mcp_list_tools.completed":
            content = [{"type": "input_text", "text": question}]
            message: Any = {"type": "message", "role": "user", "content": content}
            await connection.conversation.item.create(item=message)
            await connection.response.create()
        case "mcp_list_tools.failed":
            sys.exit("The server does not tell its tools. Check its address.")
        case "conversation.item.done" if event.item.type == "mcp_approval_request":
            await decide(connection, event.item)
        case "response.output_text.delta":
            print(event.delta, end="", flush=True)
        case "response.done":
            return any(item.type == "message" for item in event.response.output or ())
        case "error":
            sys.exit(event.error.message)
    return False


async def ask(server_url: str, question: str) -> None:
    url = os.environ.get("ANTIPHON_URL", "ws://127.0.0.1:8080/v1")
    client = AsyncOpenAI(api_key=os.environ.get("ANTIPHON_KEY", "any"), websocket_base_url=url)
    tool: dict[str, Any] = {
        "type": "mcp",
        "server_label": "tools",
        "server_url": server_url,
        "require_approval": "always",
    }
    if "MCP_TOKEN" in os.environ:
        tool["authorization"] = os.environ["MCP_TOKEN"]
    session: Any = {"type": "realtime", "output_modalities": ["text"], "tools": [tool]}
    async with client, client.realtime.connect(model=MODEL) as connection:
        await connection.session.update(session=session)
        async for event in connection:
            if await follow(connection, event, question):
                print()
                return


if __name__ == "__main__":
    asyncio.run(ask(sys.argv[1], " ".join(sys.argv[2:]) or "What is the weather?"))
