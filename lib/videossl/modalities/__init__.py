"""Kinds of signal, one module and one YAML each: what each is read from, how a clip is loaded, augmented and drawn."""
