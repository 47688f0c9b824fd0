"""What colours weigh."""

LUMINANCE = (0.299, 0.587, 0.114)  # of red, green, blue: ITU-R BT.601
