# src/controller
