resource "aws_keyspaces_keyspace" "birds" {
  name = "birds"
  tags = { team = var.edited ? "herons" : "birds" }
}

resource "aws_keyspaces_table" "herons" {
  keyspace_name = aws_keyspaces_keyspace.birds.name
  table_name    = "herons"

  schema_definition {
    column {
      name = "id"
      type = "ascii"
    }

    partition_key {
      name = "id"
    }
  }

  tags = { team = var.edited ? "herons" : "birds" }
}
