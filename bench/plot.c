/* SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>

#include "plot.h"

#define WIDTH	960
#define HEIGHT	470
#define LEFT	76
#define RIGHT	270	/* the legend's */
#define TOP	16
#define BOTTOM	52
#define INNER_W	(WIDTH - LEFT - RIGHT)
#define INNER_H	(HEIGHT - TOP - BOTTOM)
#define TICKS	6	/* of a linear axis, about */

/* To be told apart by those who do not see red and green, too, and on paper. */
static const char *const colours[] = { "#1b5e9e", "#d1495b", "#1a1a1a", "#e0a100", "#2e8b57",
	"#7b4fa3", "#00a0b0", "#8c564b", "#e377c2", "#7f7f7f" };
#define NB_COLOURS (sizeof(colours) / sizeof(colours[0]))

static double
along(const struct plot_axis *a, double v)
{
	double share = a->base != 0 ? log(fmax(v, 1e-300) / a->from) / log(a->to / a->from) :
		(v - a->from) / (a->to - a->from);

	return fmin(1, fmax(0, share));
}

static double
at_x(const struct plot *p, double v)
{
	return LEFT + INNER_W * along(&p->x, v);
}

static double
at_y(const struct plot *p, double v)
{
	return TOP + INNER_H * (1 - along(&p->y, v));
}

/* 1, 2 or 5 times a power of ten. */
static double
step_of(const struct plot_axis *a)
{
	double rough = (a->to - a->from) / TICKS, ten = pow(10, floor(log10(rough)));

	return rough / ten <= 1 ? ten : rough / ten <= 2 ? 2 * ten : rough / ten <= 5 ? 5 * ten : 10 * ten;
}

static double
tick_of(const struct plot_axis *a, unsigned int i)
{
	return a->base != 0 ? a->from * pow(a->base, i) : a->from + i * step_of(a);
}

static unsigned int
count_ticks(const struct plot_axis *a)
{
	double steps = a->base != 0 ? log(a->to / a->from) / log(a->base) :
		(a->to - a->from) / step_of(a);

	return (unsigned int)floor(steps + 0.01) + 1;
}

static void
draw_ticks(const struct plot *p, const struct plot_axis *a, bool is_x)
{
	char text[64];

	for (unsigned int i = 0; i < count_ticks(a); i++) {
		double v = tick_of(a, i);

		a->label(text, sizeof(text), v);
		if (is_x)
			(void)fprintf(p->out, "<line class='grid' x1='%.1f' x2='%.1f' y1='%d' y2='%d'/>"
				"<text x='%.1f' y='%d' text-anchor='middle'>%s</text>\n", at_x(p, v), at_x(p, v),
				TOP, TOP + INNER_H, at_x(p, v), TOP + INNER_H + 18, text);
		else
			(void)fprintf(p->out, "<line class='grid' x1='%d' x2='%d' y1='%.1f' y2='%.1f'/>"
				"<text x='%d' y='%.1f' text-anchor='end'>%s</text>\n", LEFT, LEFT + INNER_W,
				at_y(p, v), at_y(p, v), LEFT - 8, at_y(p, v) + 4, text);
	}
}

void
plot_begin(const struct plot *p)
{
	(void)fprintf(p->out, "<svg viewBox='0 0 %d %d' role='img'>\n", WIDTH, HEIGHT);
	draw_ticks(p, &p->x, true);
	draw_ticks(p, &p->y, false);
	(void)fprintf(p->out, "<rect class='frame' x='%d' y='%d' width='%d' height='%d'/>\n"
		"<text x='%d' y='%d' text-anchor='middle'>%s</text>\n"
		"<text transform='translate(16 %d) rotate(-90)' text-anchor='middle'>%s</text>\n",
		LEFT, TOP, INNER_W, INNER_H, LEFT + INNER_W / 2, HEIGHT - 10, p->x.title,
		TOP + INNER_H / 2, p->y.title);
}

void
plot_line(struct plot *p, const char *name, const double *x, const double *y, size_t n,
	bool steps, bool dashed)
{
	const char *colour = colours[p->nb_lines % NB_COLOURS];
	/* A second time around, and what is no measure, is dashed. */
	const char *dash = dashed ? " stroke-dasharray='2 3'" :
		p->nb_lines >= NB_COLOURS ? " stroke-dasharray='7 3'" : "";
	int row = TOP + 14 + 24 * (int)p->nb_lines++;

	(void)fprintf(p->out, "<path class='line' stroke='%s'%s d='", colour, dash);
	for (size_t i = 0; i < n; i++) {
		if (i == 0)
			(void)fprintf(p->out, "M%.1f %.1f", at_x(p, x[i]), at_y(p, y[i]));
		else if (steps)
			(void)fprintf(p->out, "H%.1fV%.1f", at_x(p, x[i]), at_y(p, y[i]));
		else
			(void)fprintf(p->out, "L%.1f %.1f", at_x(p, x[i]), at_y(p, y[i]));
	}
	(void)fprintf(p->out, "'/>\n");
	for (size_t i = 0; !steps && !dashed && i < n; i++)
		(void)fprintf(p->out, "<circle cx='%.1f' cy='%.1f' r='3' fill='%s'/>\n", at_x(p, x[i]),
			at_y(p, y[i]), colour);
	(void)fprintf(p->out, "<line class='line' stroke='%s'%s x1='%d' x2='%d' y1='%d' y2='%d'/>"
		"<text x='%d' y='%d'>%s</text>\n", colour, dash, LEFT + INNER_W + 12,
		LEFT + INNER_W + 36, row, row, LEFT + INNER_W + 42, row + 4, name);
}

void
plot_end(const struct plot *p)
{
	(void)fprintf(p->out, "</svg>\n");
}
