"""An SMTP server that responds to each recipient as a test decides, and keeps the accepted mails."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class MailServer:
    """The port, the responses to RCPT by address (250 if none is left), and the accepted mails.

    Each of ``answers`` is used once, ``always`` is repeated; ``taken`` and ``asked`` are in the order of arrival.
    """

    port: int = 0
    answers: dict[str, list[int]] = field(default_factory=dict)
    always: dict[str, int] = field(default_factory=dict)
    taken: list[tuple[str, EmailMessage]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def recipients(self) -> list[str]:
        """The recipients of the accepted mails, in order."""
        return [recipient for recipient, _ in self.taken]

    def _answer(self, recipient: str) -> int:
        self.asked.append(recipient)
        if self.answers.get(recipient):
            return self.answers[recipient].pop(0)
        return self.always.get(recipient, 250)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until it disconnects."""
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
    """Run the server on a free loopback port in this context."""
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
