"""Inventories and archive descriptions, as the service and other tools write them."""
