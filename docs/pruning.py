"""Draws docs/pruning.svg from the table in docs/pruning.md. Standard library only."""

from pathlib import Path

HERE = Path(__file__).parent
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 420, 70, 20, 730, 360

text = (HERE / "pruning.md").read_text().split("<!-- points -->")[1]
rows = [[c.strip(" *") for c in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")][2:]
points = [(r[0], float(r[4]), float(r[3].rstrip(" %"))) for r in rows]
x_top = 1.1 * max(p[1] for p in points)
y_low, y_top = 98.5, 99.3


def place(ms, accuracy):
    x = LEFT + (RIGHT - LEFT) * ms / x_top
    return x, BOTTOM - (BOTTOM - TOP) * (accuracy - y_low) / (y_top - y_low)


out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12" fill="#787878">']
for k in range(9):
    accuracy = y_low + k * 0.1
    _, y = place(0, accuracy)
    out.append(f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="#bebebe" stroke-width="0.5"/>')
    out.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{accuracy:.1f} %</text>')
for k in range(int(x_top / 0.02) + 1):
    x, _ = place(0.02 * k, y_low)
    out.append(f'<text x="{x:.1f}" y="{BOTTOM + 18}" text-anchor="middle">{0.02 * k:.2f}</text>')
out.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{HEIGHT - 14}" text-anchor="middle">encrypted ms per image, one thread</text>')
for n, (name, ms, accuracy) in enumerate(points):
    x, y = place(ms, accuracy)
    colour = "#d66027" if "models/" in name else "#2c8c50" if "whole" in name else "#1f77b4"
    end = ms > 0.7 * x_top
    out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
    at = f'x="{x - 8 if end else x + 8:.1f}" y="{y + (13 if n % 2 else -4):.1f}"'
    out.append(f'<text {at} text-anchor="{"end" if end else "start"}" font-size="10">{name}</text>')
(HERE / "pruning.svg").write_text("\n".join(out + ["</svg>", ""]))
