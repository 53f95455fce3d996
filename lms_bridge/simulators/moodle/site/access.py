"""Who may call what: accounts' capabilities and tokens."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import RLock


@dataclass(slots=True)
class Account:
    """What one user may do; a site administrator may do everything."""

    user_id: int
    capabilities: set[str] = field(default_factory=set)
    site_admin: bool = False

    def can(self, capability: str) -> bool:
        """Whether the account has the capability, everywhere on the site."""
        return self.site_admin or capability in self.capabilities


@dataclass(slots=True)
class Token:
    """A web-service token. ``functions`` None means all; ``valid_until`` 0 means for ever."""

    value: str
    user_id: int
    functions: frozenset[str] | None = None
    valid_until: int = 0


class Access:
    """Accounts and tokens of a site."""

    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self.accounts: dict[int, Account] = {}
        self.tokens: dict[str, Token] = {}

    def add_account(
        self, user_id: int, capabilities: Iterable[str] = (), site_admin: bool = False
    ) -> Account:
        """Let a user call web services with these capabilities."""
        with self._lock:
            account = Account(user_id, set(capabilities), site_admin)
            self.accounts[user_id] = account
            return account

    def add_token(
        self,
        value: str,
        user_id: int,
        functions: Iterable[str] | None = None,
        valid_until: int = 0,
    ) -> Token:
        """Give a user a token for a service of these functions (None: all)."""
        with self._lock:
            service = None if functions is None else frozenset(functions)
            token = Token(value, user_id, service, valid_until)
            self.tokens[value] = token
            return token

    def restrict(self, token: str, functions: Iterable[str] | None) -> None:
        """Change which functions the token's service holds (None: all)."""
        with self._lock:
            self.tokens[token].functions = None if functions is None else frozenset(functions)
