/* Loses bits in a conversion that nobody asked for. */
int sheaf__probe_warning(long wide);

int sheaf__probe_warning(long wide)
{
    return wide;
}
