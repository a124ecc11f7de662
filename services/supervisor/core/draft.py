"""A configuration while a plan is made: every step is a copy, so any step can be taken back."""

from dataclasses import dataclass, field, replace

from services.supervisor.config_state import ConfigState, Patches
from services.supervisor.core.errors import PlanError
from services.supervisor.core.ports import Ports
from services.supervisor.spawn import PORT_KEYS, configured_ports
from shared.config.pages import Config, config_of
from shared.config.services import Block, ServiceBlock, walk_services
from shared.config.trees import MISSING, Path, value_at, with_value


@dataclass(slots=True)
class Draft:
    """The file to be, what stays in memory only, and who has which port."""

    file: Config
    patches: Patches
    before: dict[Path, ServiceBlock]
    """What was in force, by path."""
    overridden: frozenset[Path]
    """What the environment decides."""
    running: frozenset[str]
    ports: Ports
    notes: tuple[str, ...] = ()
    names: dict[str, None] = field(default_factory=dict)
    """Process names that were enabled here, in order."""

    @classmethod
    def of(cls, state: ConfigState, running: frozenset[str], ports: Ports) -> "Draft":
        """Nothing changed yet."""
        before = {service.path: service for service in state.services}
        overridden = frozenset(known.path for known in state.overridden)
        return cls(state.file, state.patches, before, overridden, running, ports)

    def copy(self) -> "Draft":
        """For an attempt."""
        return replace(self, ports=self.ports.copy(), names=dict(self.names))

    def note(self, words: str) -> None:
        """Tell a person what is done."""
        self.notes += (words,)

    def at(self, path: Path) -> Block | None:
        """The block there. Raises `PlanError` when something else stands there."""
        found = value_at(self.file, path)
        if found is MISSING or found is None:
            return None
        if not isinstance(found, dict):
            raise PlanError(f"'{'.'.join(path)}' of the configuration is no object.")
        return found

    def instances(self, key: str) -> dict[str, Block]:
        """The instances of a service, by name. Raises `PlanError` when it has no place for any."""
        if "process_name" in (self.at((key,)) or {}):
            raise PlanError(f"'{key}' of the configuration is one service, without 'instances'.")
        found = self.at((key, "instances")) or {}
        return {name: block for name, block in found.items() if isinstance(block, dict)}

    def put(self, path: Path, block: Block | None) -> None:
        """Write a block, or remove it (None). What was set in memory only gives way."""
        changed = with_value(self.file, path, MISSING if block is None else block)
        self.file = config_of(changed)
        depth = len(path)
        self.patches = {p: v for p, v in self.patches.items() if p[:depth] != path}

    def enable(self, path: Path, block: Block, *, added: bool) -> str:
        """Write it as an enabled service with free ports; its process name.

        Raises:
            PlanError: its name is taken, or there is no port.
        """
        name = block.get("process_name")
        if not isinstance(name, str) or not name.strip():
            raise PlanError(f"'{'.'.join(path)}' of the configuration has no process_name.")
        for service in walk_services(self.file):
            if service.process_name == name and service.path != path:
                raise PlanError(f"'{name}' is the name of '{'.'.join(service.path)}' already.")
        enabled = self._with_ports(path, {**block, "enabled": True}, name)
        if added:
            self.note(f"{name} was added")
        elif block.get("enabled") is not True:
            self.note(f"{name} was enabled")
        self.put(path, enabled)
        self.names[name] = None
        return name

    def _with_ports(self, path: Path, block: Block, name: str) -> Block:
        before = self.before.get(path)
        kept = frozenset(configured_ports(before.block) if before and name in self.running else ())
        for key in PORT_KEYS:
            wanted = block.get(key)
            if type(wanted) is not int or (*path, key) in self.overridden:
                continue
            port = self.ports.claim(name, wanted, kept)
            if port != wanted:
                self.note(f"{name} has port {port}, because {wanted} is taken")
                block = {**block, key: port}
        return block
