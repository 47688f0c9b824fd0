"""What the gate needs beside its policy: evidence, the serving check, approval by people."""
