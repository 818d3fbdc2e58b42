# tests that belong to no single module
