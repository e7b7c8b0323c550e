"""How generation data is mapped to points, for those that have no converter."""

MEASUREMENT = "generation_data"
TIME = "timestamp"
TAGS = ["region", "energy_source", "measurement_type", "quality_flag", "plant_name", "operator"]
FIELDS = {"value": "power_mw"}
