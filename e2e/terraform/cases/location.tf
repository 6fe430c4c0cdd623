# proxy
resource "aws_location_map" "birds" {
  map_name    = "birds"
  description = var.edited ? "All birds" : "Birds"

  configuration {
    style = "VectorEsriStreets"
  }

  tags = { team = "birds" }
}

resource "aws_location_tracker" "rings" {
  tracker_name = "rings"
  description  = var.edited ? "All rings" : "Rings"
}

resource "aws_location_place_index" "ponds" {
  index_name  = "ponds"
  data_source = "Here"
  description = var.edited ? "All ponds" : "Ponds"
}

resource "aws_location_geofence_collection" "reserves" {
  collection_name = "reserves"
  description     = var.edited ? "All reserves" : "Reserves"
}

resource "aws_location_route_calculator" "paths" {
  calculator_name = "paths"
  data_source     = "Here"
  description     = var.edited ? "All paths" : "Paths"
}
