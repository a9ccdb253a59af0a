"""Wake Vision: is a person in the picture?"""
