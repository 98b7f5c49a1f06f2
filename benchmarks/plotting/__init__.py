"""Plots of the results. Its library gets an environment of its own: with it come packages that type
checkers see through those of the project.
"""
