"""The path converter for public ids in URLs."""

from django.urls import register_converter


class PublicId:
    """Match public ids only, so that no other text from a URL reaches a query."""

    regex = "[a-z]{2,8}_[0-9A-Za-z]{22}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(PublicId, "id")
