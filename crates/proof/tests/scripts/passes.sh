#!/bin/bash
echo "ok    the sky is blue"
