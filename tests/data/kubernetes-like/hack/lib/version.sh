#!/usr/bin/env bash
# Kubernetes' own computes KUBE_GIT_VERSION here, from git describe --tags --match='v*' --abbrev=14.
