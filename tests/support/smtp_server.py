"""A mail server that says what a test wants said of each recipient, and keeps what it took. It really speaks SMTP."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class MailServer:
    """Its port, its answers to RCPT by address (250 where none is left), and the mails it took."""

    port: int = 0
    answers: dict[str, list[int]] = field(default_factory=dict)
    always: dict[str, int] = field(default_factory=dict)
    taken: list[tuple[str, EmailMessage]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def recipients(self) -> list[str]:
        """To whom it took mails, in order."""
        return [recipient for recipient, _ in self.taken]

    def _answer(self, recipient: str) -> int:
        self.asked.append(recipient)
        if self.answers.get(recipient):
            return self.answers[recipient].pop(0)
        return self.always.get(recipient, 250)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak with one client until it leaves."""
        recipient = ""
        writer.write(b"220 here\r\n")
        while line := (await reader.readline()).decode().strip():
            verb, _, rest = line.partition(" ")
            code = 250
            if verb.upper() == "RCPT":
                recipient = rest[rest.index("<") + 1 : rest.index(">")]
                code = self._answer(recipient)
            elif verb.upper() == "DATA":
                writer.write(b"354 go on\r\n")
                text = await reader.readuntil(b"\r\n.\r\n")
                self.taken.append((recipient, message_from_bytes(text[:-3], policy=policy.default)))
            elif verb.upper() == "QUIT":
                code = 221
            writer.write(f"{code} so be it for {recipient}\r\n".encode())
            if code == 221:
                break
        writer.close()


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """The server, on a loopback port of its own, while the block lasts."""
    served, loop = MailServer(), asyncio.new_event_loop()
    listening = loop.run_until_complete(asyncio.start_server(served.converse, "127.0.0.1", 0))
    served.port = listening.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        loop.call_soon_threadsafe(listening.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
