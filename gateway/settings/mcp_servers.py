"""The MCP servers that the settings name."""

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from gateway.settings.named_keys import with_named_key
from gateway.settings.names import SettingsError
from gateway.settings.shapes import endpoint_url
from gateway.upstream.mcp_servers import DEFAULT, MCPServer, MCPServers

if TYPE_CHECKING:
    from gateway.settings.model import Settings

EndpointUrl = Annotated[str, AfterValidator(endpoint_url)]


class MCPServerSettings(BaseModel):
    """One MCP server. `api_key` is what the variable named by `api_key_env` held when the settings were read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: EndpointUrl
    api_key_env: str | None = None
    api_key: SecretStr | None = Field(default=None, repr=False)


MCPServerGiven = Annotated[MCPServerSettings, BeforeValidator(with_named_key)]


def load_mcp_servers(settings: "Settings") -> MCPServers:
    """All of them. Raises SettingsError for one that no request could go to."""
    given = dict(settings.mcp_servers)
    if settings.mcp_upstream_url is not None:
        given[DEFAULT] = MCPServerSettings(url=settings.mcp_upstream_url)
    ca_file = None if settings.upstream_ca_file is None else str(settings.upstream_ca_file)
    try:
        return MCPServers(
            [
                MCPServer(name, one.url, one.api_key.get_secret_value() if one.api_key else None, ca_file)
                for name, one in given.items()
            ]
        )
    except ValueError as error:
        raise SettingsError([str(error)]) from None
