"""The one kind of argument that addresses of pages take."""

from django.urls import register_converter


class PublicId:
    """A public id of one kind, so that no other text reaches a query."""

    regex = "[a-z]{2,8}_[0-9A-Za-z]{22}"

    def to_python(self, value: str) -> str:
        """As it is."""
        return value

    def to_url(self, value: str) -> str:
        """As it is."""
        return value


register_converter(PublicId, "id")
