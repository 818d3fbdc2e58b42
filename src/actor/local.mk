# src/actor
