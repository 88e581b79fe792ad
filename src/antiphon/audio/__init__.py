"""Functions and small streams on samples: conversion, resampling, cutting, stretching.

Everything here is pure: bytes or arrays in, bytes or arrays out, no clock and no I/O. Samples are
``float32`` arrays in [-1, 1); PCM is 16-bit little-endian mono. A stream (``Resampler``,
``Limiter``, ``Stretcher``, the cutters and the codecs) gives the same samples however its input is
divided into chunks.
"""
