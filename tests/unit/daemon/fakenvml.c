// SPDX-License-Identifier: GPL-3.0-only
/* A driver library with one GPU, for the tests of nvml.cpp; the signatures are those of the NVML API reference. */
#include <string.h>

struct Memory {
    unsigned long long total, free, used;
};
struct Utilization {
    unsigned gpu, memory;
};

static int gpu;

int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
const char* nvmlErrorString(int code) { return code ? "some error" : "no error"; }

int nvmlSystemGetDriverVersion(char* text, unsigned size)
{
    strncpy(text, "550.54", size);
    return 0;
}

int nvmlSystemGetCudaDriverVersion_v2(int* version)
{
    *version = 12040;
    return 0;
}

int nvmlDeviceGetCount_v2(unsigned* count)
{
    *count = 2; /* the second does not answer */
    return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** handle)
{
    *handle = &gpu;
    return index == 0 ? 0 : 15;
}

int nvmlDeviceGetName(void* handle, char* text, unsigned size)
{
    (void)handle;
    strncpy(text, "Test GPU", size);
    return 0;
}

int nvmlDeviceGetMemoryInfo(void* handle, struct Memory* memory)
{
    (void)handle;
    memory->total = 24ull << 30;
    memory->used = 4ull << 30;
    memory->free = 20ull << 30;
    return 0;
}

int nvmlDeviceGetCudaComputeCapability(void* handle, int* major, int* minor)
{
    (void)handle;
    *major = 8;
    *minor = 9;
    return 0;
}

int nvmlDeviceGetUtilizationRates(void* handle, struct Utilization* utilization)
{
    (void)handle;
    utilization->gpu = 37;
    return 0;
}

int nvmlDeviceGetTemperature(void* handle, unsigned sensor, unsigned* degrees)
{
    (void)handle;
    *degrees = sensor == 0 ? 61 : 0;
    return 0;
}

int nvmlDeviceGetPowerUsage(void* handle, unsigned* milliwatts)
{
    (void)handle;
    (void)milliwatts;
    return 3; /* not supported on this board */
}
