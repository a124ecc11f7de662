"""Finding services in a tree: contract rest.md 3.1 and config.md 9."""

from shared.config.pages import config_of
from shared.config.services import walk_services

TREE = {
    "puid": 1000,
    "dumb": {
        "api_service": {"process_name": "DUMB API", "enabled": True},
        "frontend": {"process_name": "DUMB Frontend"},
        "auto_restart": {"services": [{"process_name": "Sonarr"}]},
    },
    "plex": {"process_name": "Plex", "enabled": True, "dbrepair": {"process_name": "Repair"}},
    "sonarr": {
        "instances": {
            "Default": {"process_name": "Sonarr", "enabled": True},
            "4K": {"process_name": "Sonarr 4K", "enabled": "true"},
        }
    },
    "broken": {"process_name": ["x"]},
    "empty": {"process_name": ""},
}


def test_services_come_in_file_order_with_key_and_instance() -> None:
    found = [
        (s.process_name, s.config_key, s.instance, s.enabled)
        for s in walk_services(config_of(TREE))
    ]
    assert found == [
        ("DUMB API", "dumb_api_service", "", True),
        ("DUMB Frontend", "dumb_frontend", "", False),
        ("Plex", "plex", "", True),
        ("Sonarr", "sonarr", "Default", True),
        ("Sonarr 4K", "sonarr", "4K", False),
    ]


def test_the_path_leads_to_the_block() -> None:
    sonarr = walk_services(config_of(TREE))[3]
    assert sonarr.path == ("sonarr", "instances", "Default")
    assert sonarr.block is TREE["sonarr"]["instances"]["Default"]  # type: ignore[index]
