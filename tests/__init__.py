"""The suite; its layout mirrors the apps."""
