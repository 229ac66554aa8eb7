"""chatops: deploy, watch and scale chat and other real-time apps from one YAML file."""

__version__ = "0.1.0"
