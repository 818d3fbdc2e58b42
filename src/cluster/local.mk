# src/cluster
