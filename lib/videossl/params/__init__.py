"""params.yaml: read and checked (load), against a schema (schema) and across sections (check); what it asks for: trainings
(recipes), data and measurements (run); and the part of it that each job gets (slices)."""
