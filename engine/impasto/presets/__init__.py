"""Presets: named settings, one TOML file each."""
