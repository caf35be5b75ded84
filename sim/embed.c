/*
 * embed.c - runs while building: prints scenario files as a C table, so that
 * the program needs no files. The first line of each, a comment, says what it
 * is. `embed --lines NAME FILE` prints any text as a table of its lines.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void letter(int c)
{
    if (c == '"' || c == '\\')
        printf("\\%c", c);
    else if (c == '\n')
        fputs("\\n\"\n    \"", stdout);
    else
        putchar(c);
}

static int embed(const char *path)
{
    const char *base =
        strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    FILE *f = fopen(path, "r");
    int c;

    if (f == NULL) {
        perror(path);
        return 1;
    }
    /* Less ".ini". */
    printf("    {\"%.*s\",\n    \"", (int)strlen(base) - 4, base);
    while ((c = getc(f)) != EOF)
        letter(c);
    fputs("\"},\n", stdout);
    return fclose(f) != 0;
}

static int lines(const char *name, const char *path)
{
    FILE *f = fopen(path, "r");
    bool begun = false;
    int c;

    if (f == NULL) {
        perror(path);
        return 1;
    }
    printf("extern const char *const %s[];\nconst char *const %s[] = {\n", name,
           name);
    while ((c = getc(f)) != EOF) {
        if (!begun)
            fputs("    \"", stdout);
        begun = c != '\n';
        if (begun)
            letter(c);
        else
            fputs("\\n\",\n", stdout);
    }
    fputs(begun ? "\",\n    0,\n};\n" : "    0,\n};\n", stdout);
    return fclose(f) != 0;
}

int main(int argc, char **argv)
{
    int status = 0;

    if (argc == 4 && strcmp(argv[1], "--lines") == 0)
        return lines(argv[2], argv[3]);

    puts("#include \"preset.h\"\n\n"
         "const struct wr_preset wr_presets[] = {");
    for (int i = 1; i < argc && status == 0; i++)
        status = embed(argv[i]);
    printf("};\n\nconst size_t wr_presets_n = %d;\n", argc - 1);
    return status;
}
